import { describe, expect, it } from "vitest"
import type { Relation } from "../../src/database/catalog.ts"
import { type AnalyzeContext, analyzeQueryPlan, parsePlan } from "../../src/explain/index.ts"

/** Issues of a plan in the text format, as "id at node", the loud ones before a bar, mere information after it. */
function told(text: string, context: AnalyzeContext = {}): string {
  const issues = analyzeQueryPlan(parsePlan(text), context)
  const list = (loud: boolean): string =>
    issues
      .filter((issue) => (issue.severity !== "info") === loud)
      .map((issue) => `${issue.issue} at ${issue.node}`)
      .join(", ")
  return list(false) === "" ? list(true) : `${list(true)} | ${list(false)}`
}

/** A sequential scan of 200,000 rows that keeps some. */
const scan = (filter: string, kept: number, more = ""): string =>
  `Seq Scan on public.t  (cost=0.00..3500.00 rows=${Math.max(1, kept)} width=8) (actual time=0.010..40.000 rows=${kept} loops=1)
  Filter: ${filter}
  Rows Removed by Filter: ${200_000 - kept}
  Buffers: shared hit=1000${more}
Execution Time: 40.000 ms`

describe("sequential scans", () => {
  it("that throw nearly everything away want an index", () => {
    expect(told(scan("(t.a = 5)", 20))).toBe("sequential_scan at 0")
  })
  it("that keep more than a tenth were the right thing to do", () => {
    expect(told(scan("(t.a = 5)", 22_000))).toBe("")
  })
  it.each([
    ["(t.a ~~ ANY ('{%abc,\"% d\"}'::text[]))", "leading_wildcard_like"],
    ["(t.a ~ '^(?:.*(?:abc|def).*)$'::text)", "leading_wildcard_like"],
    ["(t.a ~ '^[ab]c'::text)", "leading_wildcard_like"],
    ["(t.a ~~* 'abc%'::text)", "leading_wildcard_like"],
    ["(t.a ~ '^(?:abc.*)$'::text)", "sequential_scan"],
    ["(t.a ~~ 'abc%'::text)", "sequential_scan"],
    ["((t.a ~~ '%abc'::text) OR (t.b ~~ '%abc'::text))", "leading_wildcard_like"],
    ["((t.a ~~ '%abc'::text) OR (t.b = 5))", "leading_wildcard_like"],
    ["((t.a = 4) OR (t.b = 5))", "or_across_columns"],
    ["((lower(t.a) = 'x'::text) OR (lower(t.a) = 'y'::text))", "function_on_column"],
    ["known_to(t.a)", "function_on_column"],
    ["(NOT known_to(t.a))", "function_on_column"],
    ["(lower(t.a) IS NULL)", "function_on_column"],
    ["(t.a IS NULL)", "sequential_scan"],
    ["(NOT t.a)", "sequential_scan"],
    ["(t.a << '[1,2)'::int4range)", "sequential_scan"],
  ])("with the filter %s are told as %s", (filter, issue) => {
    expect(told(scan(filter, 20))).toBe(`${issue} at 0`)
  })
  it("that no index could narrow are left alone: chance, or a subquery for each row", () => {
    expect(told(scan("(random() < '0.01'::double precision)", 20))).toBe("")
    const subquery = (loops: number): string => `
  SubPlan 1
    ->  Index Only Scan using i on public.u  (cost=0.10..1.00 rows=1 width=4) (actual time=0.000..0.000 rows=1 loops=${loops})`
    expect(told(scan("((SubPlan 1) > 5)", 20, subquery(200_000)))).toBe("")
    // Cheap conditions are asked first: what reached the subquery had passed them.
    expect(told(scan("((t.a = 5) AND ((SubPlan 1) > 5))", 20, subquery(190_000)))).toBe("")
    expect(told(scan("((t.a = 5) AND ((SubPlan 1) > 5))", 20, subquery(40)))).toBe("sequential_scan at 0")
  })
  it("that compare a column as text: the catalog tells whether that is the column's own type", () => {
    const filter = "((t.a)::text = 'x'::text)"
    const catalog = (type: string): AnalyzeContext => ({
      catalog: { relations: [relation("t", [["a", type]])] },
    })
    expect(told(scan(filter, 20))).toBe("sequential_scan at 0")
    expect(told(scan(filter, 20), catalog("character varying(20)"))).toBe("sequential_scan at 0")
    expect(told(scan(filter, 20), catalog("integer"))).toBe("implicit_cast at 0")
    expect(told(scan(filter, 20), catalog("character(8)"))).toBe("implicit_cast at 0")
  })
})

describe("index scans", () => {
  const bitmap = (
    condition: string,
  ): string => `Bitmap Heap Scan on public.t  (cost=8396.45..8739.05 rows=98 width=31) (actual time=20.967..20.976 rows=101 loops=1)
  Recheck Cond: ${condition}
  Heap Blocks: exact=2
  Buffers: shared hit=1097
  ->  Bitmap Index Scan on t_ab  (cost=0.00..8396.42 rows=98 width=0) (actual time=20.955..20.955 rows=101 loops=1)
        Index Cond: ${condition}
        Buffers: shared hit=1095
Execution Time: 21.000 ms`
  it("below a bitmap walk through the whole index as well where its first column is left open", () => {
    expect(told(bitmap("((t.b >= 4200) AND (t.b <= 4300))"))).toBe("index_column_order at 0.0")
    expect(told(bitmap("(t.words ~~ '%abc%'::text)")), "an index without order").toBe("")
  })
  const only = (
    condition: string,
    filter: string,
    kept: number,
    removed: number,
  ): string => `Index Only Scan using t_ab on public.t  (cost=0.42..9000.00 rows=${kept} width=8) (actual time=0.010..30.000 rows=${kept} loops=1)
${condition === "" ? "" : `  Index Cond: ${condition}\n`}  Filter: ${filter}
  Rows Removed by Filter: ${removed}
  Heap Fetches: 0
  Buffers: shared hit=1500
Execution Time: 30.000 ms`
  it("that filter what they find are told for the filter, not for the index's order", () => {
    expect(told(only("(t.a < 500)", "((t.b % 1000) = 7)", 80, 90_000))).toBe("index_inefficient at 0")
  })
  it("without a condition are scans: their filter keeps an index from being searched", () => {
    expect(told(only("", "(lower(t.b) = 'x'::text)", 80, 190_000))).toBe("function_on_column at 0")
    expect(told(only("", "((t.b)::numeric = 4.5)", 0, 190_000))).toBe("implicit_cast at 0")
    expect(told(only("", "(t.b = 5)", 80, 190_000))).toBe("index_inefficient at 0")
    const plain =
      "Index Only Scan using t_a on public.t  (cost=0.42..9000.00 rows=2500 width=8)\n  Filter: ((t.a)::numeric = 4.5)"
    expect(told(plain)).toBe("implicit_cast at 0")
  })
  it("of a BRIN index keep whole blocks by design: told only where most rows are checked in vain", () => {
    const brin = (
      kept: number,
      removed: number,
      blocks: string,
    ): string => `Bitmap Heap Scan on public.t  (cost=20.00..9000.00 rows=50000 width=8) (actual time=1.000..30.000 rows=${kept} loops=1)
  Recheck Cond: (t.at > '2024-01-01')
  Rows Removed by Index Recheck: ${removed}
  Heap Blocks: ${blocks}
  Buffers: shared hit=3000
  ->  Bitmap Index Scan on t_at  (cost=0.00..18.00 rows=60000 width=0) (actual time=0.500..0.500 rows=30000 loops=1)
        Index Cond: (t.at > '2024-01-01')
        Buffers: shared hit=5
Execution Time: 30.000 ms`
    expect(told(brin(50_000, 6000, "lossy=3000"))).toBe("")
    expect(told(brin(500, 100_000, "lossy=3000"))).toBe("index_recheck at 0 | row_misestimate at 0")
    expect(told(brin(50_000, 60_000, "exact=400 lossy=2600"))).toBe("lossy_bitmap at 0")
  })
  const scattered = (
    condition: string,
    more = "",
  ): string => `Index Scan using t_a on public.t  (cost=0.42..44178.64 rows=30181 width=184) (actual time=0.017..80.000 rows=30001 loops=1)
  Output: pad
  Index Cond: ${condition}
  Buffers: shared hit=30086${more}
Execution Time: 80.000 ms`
  it("of scattered rows cost a block each, cached or not", () => {
    expect(told(scattered("(t.a < 31000)"))).toBe("index_low_correlation at 0")
    expect(told(scattered("(t.a < 31000)", " read=200\n  I/O Timings: shared read=1.0"))).toBe("index_low_correlation at 0")
    expect(told(scattered("(t.a = ANY ('{1,500,977}'::integer[]))")), "one search for each element").toBe("")
    // What is fetched from out of line is no scattering.
    const toast = scattered("(t.a < 31000)")
      .replace("Output: pad", "Output: (body ->> 'x'::text)")
      .replace("hit=30086", "hit=99000")
    expect(told(toast)).toBe("toast_reads at 0")
  })
  it("that filter by chance alone want no index", () => {
    expect(told(only("", "(random() < '0.01'::double precision)", 900, 190_000))).toBe("")
  })
  it("of rows that have dead ones beside them are not scattered", () => {
    const dead = scattered("(t.a < 31000)").replace("hit=30086", "hit=65000")
    expect(told(dead)).toBe("")
  })
  it("do not want a column more in their index for what a subquery decides", () => {
    const filter = "((SubPlan 1) > 5)"
    const subplan =
      "\n  SubPlan 1\n    ->  Result  (cost=0.00..0.01 rows=1 width=4) (actual time=0.000..0.000 rows=1 loops=90080)"
    expect(told(only("(t.a < 500)", filter, 80, 90_000).replace("\nExec", `${subplan}\nExec`))).toBe("")
  })
})

describe("bloat", () => {
  const sparse = (
    rows: number,
  ): string => `Seq Scan on public.t  (cost=0.00..3600.00 rows=${rows} width=4) (actual time=0.010..20.000 rows=${rows} loops=1)
  Output: id
  Buffers: shared hit=3500
Execution Time: 20.000 ms`
  it("is a page with fewer rows than fit a page at their largest", () => {
    expect(told(sparse(9000))).toBe("read_inefficiency at 0")
    expect(told(sparse(13_000)), "wide rows").toBe("")
    // The catalog knows how wide the rows are.
    const catalog = (width: number): AnalyzeContext => ({ catalog: { relations: [relation("t", [["id", "integer", width]])] } })
    expect(told(sparse(13_000), catalog(100))).toBe("read_inefficiency at 0")
    expect(told(sparse(13_000), catalog(1800))).toBe("")
    expect(told(sparse(9000), catalog(1900))).toBe("")
    expect(analyzeQueryPlan(parsePlan(sparse(13_000)), catalog(100))).toMatchObject([{ confirmed: true }])
  })
})

describe("a WITH query", () => {
  const scan = (
    alias: string,
    kept: number,
  ): string => `CTE Scan on w ${alias}  (cost=0.00..12500.00 rows=2500 width=8) (actual time=0.100..100.000 rows=${kept} loops=1)
${kept === 500_000 ? "" : `          Filter: (${alias}.id < 5)\n          Rows Removed by Filter: ${500_000 - kept}\n`}`
  const joined = (
    first: number,
    second: number,
  ): string => `Nested Loop  (cost=0.00..40000.00 rows=12 width=0) (actual time=200.000..300.000 rows=100 loops=1)
  CTE w
    ->  Seq Scan on public.reading  (cost=0.00..14804.00 rows=500000 width=80) (actual time=0.018..170.000 rows=500000 loops=1)
  ->  ${scan("a", first)}  ->  ${scan("b", second)}Execution Time: 301.000 ms`
  it("of which every reader wants little is computed for nothing, and told once", () => {
    expect(told(joined(100, 100)).split(" | ")[0]).toBe("cte_materialized_filter at 0.1")
  })
  it("that somebody reads in full is not", () => {
    expect(told(joined(500_000, 100))).toContain("cte_materialized_filter at 0.2")
    const issue = analyzeQueryPlan(parsePlan(joined(500_000, 100))).find((one) => one.issue === "cte_materialized_filter")
    // The one reading, not the making.
    expect(issue?.saving.ms).toBeLessThan(100)
  })
})

describe("recursion", () => {
  const walk = `Aggregate  (cost=3.00..3.10 rows=1 width=8) (actual time=60.000..60.000 rows=1 loops=1)
  CTE r
    ->  Recursive Union  (cost=0.00..3.00 rows=31 width=4) (actual time=0.010..50.000 rows=30000 loops=1)
          ->  Index Scan using tree_pkey on public.tree  (cost=0.29..8.30 rows=1 width=4) (actual time=0.010..0.020 rows=1 loops=1)
                Index Cond: (tree.id = 1)
          ->  Nested Loop  (cost=0.29..20.00 rows=3 width=4) (actual time=0.005..3.000 rows=2000 loops=15)
                ->  WorkTable Scan on r r_1  (cost=0.00..0.20 rows=10 width=4) (actual time=0.001..0.100 rows=2000 loops=15)
                ->  Index Scan using tree_up on public.tree t  (cost=0.29..1.00 rows=1 width=4) (actual time=0.001..0.001 rows=1 loops=30000)
                      Index Cond: (t.up = r_1.id)
  ->  CTE Scan on r  (cost=0.00..0.60 rows=31 width=4) (actual time=0.010..55.000 rows=30000 loops=1)
Execution Time: 60.000 ms`
  it("is estimated by a rule of thumb: told once, and without blame", () => {
    expect(told(walk)).toBe(" | row_misestimate at 0.0")
    const filtered = walk.replace("\nExecution", "\n        Filter: (n > 5)\n        Rows Removed by Filter: 100\nExecution")
    expect(told(filtered)).toBe(" | row_misestimate at 0.0")
  })
})

describe("work divided among processes", () => {
  /** The leader and two workers, each with its time and rows at the join and its rows of the scan below. */
  const loop = (each: readonly (readonly [time: number, rows: number])[]): string => {
    const sum = (at: 0 | 1): number => each.reduce((total, one) => total + one[at], 0)
    const node = (rows: boolean): string =>
      `time=0.010..${(sum(0) / (rows ? 3 : 30)).toFixed(3)} rows=${Math.round(sum(1) / 3)} loops=3`
    const workers = (indent: string, part: number): string =>
      each
        .slice(1)
        .map(([time, rows], at) => `${indent}Worker ${at}:  actual time=0.010..${(time * part).toFixed(3)} rows=${rows} loops=1`)
        .join("\n")
    const most = Math.max(...each.map(([time]) => time))
    return `Gather  (cost=0.00..9000.00 rows=9000 width=8) (actual time=1.000..${most + 1}.000 rows=${sum(1)} loops=1)
  Workers Planned: 2
  Workers Launched: 2
  ->  Nested Loop  (cost=0.00..8000.00 rows=3000 width=8) (actual ${node(true)})
${workers("        ", 1)}
        ->  Parallel Seq Scan on public.t  (cost=0.00..900.00 rows=3000 width=8) (actual ${node(false)})
${workers("              ", 0.1)}
        ->  Index Scan using u_pkey on public.u  (cost=0.42..0.50 rows=1 width=8) (actual time=0.001..0.001 rows=1 loops=${sum(1)})
              Index Cond: (u.id = t.id)
Execution Time: ${most + 2}.000 ms`
  }
  it("is uneven where some rows are dearer than others", () => {
    expect(
      told(
        loop([
          [400, 2000],
          [40, 4000],
          [40, 4000],
        ]),
      ),
    ).toBe("parallel_imbalance at 0.0")
  })
  it("is not uneven where a process was late and took what was left", () => {
    expect(
      told(
        loop([
          [400, 8000],
          [40, 900],
          [40, 900],
        ]),
      ),
    ).toBe("")
    // A process that the machine kept waiting has done no less than the others.
    expect(
      told(
        loop([
          [400, 3600],
          [40, 3000],
          [90, 3000],
        ]),
      ),
    ).toBe("")
    // What the others did in a millisecond says nothing of how dear a row is.
    expect(
      told(
        loop([
          [400, 8000],
          [0.2, 40],
          [0.1, 0],
        ]),
      ),
    ).toBe("")
    expect(
      told(
        loop([
          [130, 3000],
          [120, 3000],
          [110, 3000],
        ]),
      ),
    ).toBe("")
  })
  it("is uneven where one part is too large for its process", () => {
    const append = (
      large: number,
    ): string => `Gather  (cost=0.00..9000.00 rows=9000 width=8) (actual time=1.000..401.000 rows=9000 loops=1)
  Workers Planned: 2
  Workers Launched: 2
  ->  Parallel Append  (cost=0.00..8000.00 rows=3000 width=8) (actual time=0.010..160.000 rows=3000 loops=3)
        Worker 0:  actual time=0.010..40.000 rows=1000 loops=1
        Worker 1:  actual time=0.010..40.000 rows=1000 loops=1
        ->  Seq Scan on public.t_1  (cost=0.00..900.00 rows=3000 width=8) (actual time=0.010..${large}.000 rows=7000 loops=1)
        ->  Seq Scan on public.t_2  (cost=0.00..900.00 rows=3000 width=8) (actual time=0.010..${(396 - large) / 2}.000 rows=1000 loops=1)
        ->  Seq Scan on public.t_3  (cost=0.00..900.00 rows=3000 width=8) (actual time=0.010..${(396 - large) / 2}.000 rows=1000 loops=1)
Execution Time: 402.000 ms`
    expect(told(append(394))).toBe("parallel_imbalance at 0.0")
    // What is done with the part's rows above it is part of the work.
    const aggregated = append(394)
      .replace(/^ {8}/gm, "              ")
      .replace("  ->  Parallel Append", "        ->  Parallel Append")
      .replace(
        "        ->  Parallel Append",
        `  ->  Partial Aggregate  (cost=0.00..8000.00 rows=1 width=8) (actual time=0.010..466.667 rows=1 loops=3)
        Worker 0:  actual time=0.010..200.000 rows=1 loops=1
        Worker 1:  actual time=0.010..200.000 rows=1 loops=1
        ->  Parallel Append`,
      )
      .replace("401.000", "1001.000")
      .replace("402.000", "1002.000")
    expect(told(aggregated)).toBe("parallel_imbalance at 0.0")
    expect(told(append(130)), "several parts by the first process").toBe("")
    const cheap = aggregated.replace("..394.000", "..20.000").replaceAll("..1.000", "..0.500")
    expect(told(cheap), "a part whose scan is cheap beside the append").toBe("parallel_imbalance at 0.0")
  })
  it("is measured by the blocks that each process read, where its filter leaves no rows to count", () => {
    const scan = (
      leader: number,
    ): string => `Gather  (cost=0.00..9000.00 rows=9 width=8) (actual time=1.000..401.000 rows=90 loops=1)
  Workers Planned: 2
  Workers Launched: 2
  Buffers: shared hit=${leader + 220}
  ->  Parallel Append  (cost=0.00..8000.00 rows=3 width=8) (actual time=0.010..160.000 rows=30 loops=3)
        Buffers: shared hit=${leader + 220}
        Worker 0:  actual time=0.010..40.000 rows=90 loops=1
          Buffers: shared hit=110
        Worker 1:  actual time=0.010..40.000 rows=0 loops=1
          Buffers: shared hit=110
        ->  Parallel Seq Scan on public.t_1  (cost=0.00..90.00 rows=3 width=8) (actual time=0.010..160.000 rows=30 loops=3)
              Filter: (a > 5)
              Rows Removed by Filter: 900
Execution Time: 402.000 ms`
    expect(told(scan(1000)).split(" | ")[0]).toBe("")
    expect(told(scan(50)).split(" | ")[0]).toBe("parallel_imbalance at 0.0")
  })
  it("makes rows distinct twice, which is not the statement's doing", () => {
    expect(
      told(`HashAggregate  (cost=100.00..200.00 rows=50000 width=16) (actual time=302.000..323.000 rows=49998 loops=1)
  Output: d.id
  Group Key: d.id
  ->  Gather  (cost=90.00..100.00 rows=100000 width=16) (actual time=218.000..285.000 rows=49998 loops=1)
        Output: d.id
        Workers Planned: 2
        Workers Launched: 2
        ->  HashAggregate  (cost=90.00..100.00 rows=50000 width=16) (actual time=210.000..217.000 rows=16666 loops=3)
              Output: d.id
              Group Key: d.id
              ->  Parallel Seq Scan on public.d  (cost=0.00..80.00 rows=208333 width=16) (actual time=0.010..15.000 rows=166667 loops=3)
                    Output: d.id
Execution Time: 324.000 ms`),
    ).toBe("")
  })
})

describe("times that contradict each other", () => {
  it("save no more than there is", () => {
    const issues = analyzeQueryPlan(
      parsePlan(`Index Scan using t_a on public.t  (cost=0.42..9000.00 rows=30000 width=8) (actual time=0.010..20.000 rows=30000 loops=1)
  Index Cond: (t.a < 31000)
  Buffers: shared hit=100 read=5000
  I/O Timings: shared read=90000.000
Execution Time: 21.000 ms`),
    )
    for (const { saving, message } of issues) {
      expect(saving.ms ?? 0).toBeLessThanOrEqual(21)
      expect(message).not.toMatch(/\d{3,} %/)
    }
    expect(issues.map(({ issue }) => issue)).toContain("slow_io")
  })
})

describe("a cold cache", () => {
  const cold = (
    timing: string,
  ): string => `Index Scan using t_a on public.t  (cost=0.42..9000.00 rows=30000 width=8) (actual time=0.010..100.000 rows=30000 loops=1)
  Index Cond: (t.a < 31000)
  Buffers: shared hit=100 read=5000
${timing}Execution Time: 100.000 ms`
  it("whose blocks came from the operating system's memory is a fact, not a fault", () => {
    expect(told(cold("  I/O Timings: shared read=60.000\n"))).toBe(" | low_cache_hit at 0")
    expect(told(cold(""))).toBe(" | low_cache_hit at 0")
  })
  it("whose blocks came from a disk is told by what it took", () => {
    const slow = cold("  I/O Timings: shared read=1000.000\n").replaceAll("100.000", "1100.000")
    expect(told(slow)).toBe("low_cache_hit at 0")
  })
})

describe("triggers", () => {
  const fired = (
    ms: number,
    calls: number,
  ): string => `Update on public.t  (cost=0.00..300.00 rows=0 width=0) (actual time=100.000..100.000 rows=0 loops=1)
  ->  Seq Scan on public.t  (cost=0.00..300.00 rows=3000 width=8) (actual time=0.010..5.000 rows=3000 loops=1)
Trigger stamp: time=${ms}.000 calls=${calls}
Execution Time: 101.000 ms`
  it("that are quick for each row are not slow, unless they are most of the work", () => {
    expect(told(fired(30, 3000))).toBe("")
    expect(told(fired(30, 100))).toBe("slow_trigger at 0")
    expect(told(fired(70, 3000))).toBe("slow_trigger at 0")
  })
})

describe("whole pages in the log", () => {
  const update = (
    images: number,
  ): string => `Update on public.t  (cost=0.00..300.00 rows=0 width=0) (actual time=100.000..100.000 rows=0 loops=1)
  WAL: records=5000 fpi=${images} bytes=${images * 9000}
  ->  Seq Scan on public.t  (cost=0.00..300.00 rows=3000 width=8) (actual time=0.010..5.000 rows=3000 loops=1)
Execution Time: 101.000 ms`
  it("are a fact of every change after a checkpoint, and an issue where they are many", () => {
    expect(told(update(200))).toBe(" | wal_full_page_images at 0")
    expect(told(update(4000))).toBe("wal_full_page_images at 0")
  })
})

describe("wrong estimates", () => {
  it("are told beside the condition that caused them, where they have consequences", () => {
    const scan = (
      rows: number,
    ): string => `Nested Loop  (cost=0.00..9000.00 rows=5 width=8) (actual time=1.000..400.000 rows=${rows} loops=1)
  ->  Seq Scan on public.t  (cost=0.00..3428.00 rows=1 width=4) (actual time=0.030..180.000 rows=${rows} loops=1)
        Filter: ((t.id % 200) = 0)
        Rows Removed by Filter: 990000
  ->  Index Scan using u_t on public.u  (cost=0.42..4.53 rows=6 width=4) (actual time=0.003..0.003 rows=1 loops=${rows})
        Index Cond: (u.t = t.id)
Execution Time: 401.000 ms`
    expect(told(scan(50_000))).toContain("row_misestimate at 0.0")
    expect(told(scan(500))).not.toContain("row_misestimate")
  })
})

describe("pages written by readers", () => {
  it("are told once, although a log with checksums has them whole", () => {
    const read = `Seq Scan on public.t  (cost=0.00..3000.00 rows=200000 width=8) (actual time=0.010..50.000 rows=200000 loops=1)
  Buffers: shared hit=1000 dirtied=1000
  WAL: records=1000 fpi=1000 bytes=8100000
Execution Time: 60.000 ms`
    expect(told(read)).toBe("select_dirties_pages at 0")
  })
})

/** A table of the catalog with nothing but columns and how wide they are. */
function relation(name: string, columns: readonly (readonly [name: string, type: string, width?: number])[]): Relation {
  return {
    oid: 1,
    schema: "public",
    name,
    kind: "table",
    rows: 200_000,
    pages: 1000,
    allVisiblePages: 1000,
    modifiedSinceAnalyze: 0,
    size: 8_192_000,
    rowSecurity: false,
    readable: true,
    persistence: "permanent",
    query: null,
    populated: true,
    parent: null,
    bound: null,
    partitionKey: null,
    children: [],
    columns: columns.map(([column, type, width]) => ({
      name: column,
      type,
      typeId: 0,
      typeKind: "base",
      baseType: null,
      enumValues: null,
      nullable: true,
      default: null,
      generated: null,
      identity: null,
      collation: null,
      deterministic: true,
      readable: true,
      statistics:
        width === undefined
          ? null
          : { nullFraction: 0, distinct: -1, correlation: null, width, mostCommon: null, histogram: false },
    })),
    indexes: [],
    constraints: [],
    referencedBy: [],
  }
}
