import { beforeAll, describe, expect, test } from "vitest"
import { compactParameters, loadShapes, replaceParameters, type SelectPieces, selectPieces } from "../../src/sql/index.ts"

beforeAll(loadShapes)

const aggregates = new Set(["sum", "count", "max", "mine"])
const pieces = (text: string, mark?: readonly string[], columns: readonly string[] = []): SelectPieces =>
  selectPieces(text, {
    isAggregate: (_schema, name) => aggregates.has(name),
    isInputColumn: (name) => columns.includes(name),
    mark,
  })
const templates = (one: SelectPieces): string[] => one.output.map(({ template }) => template.replace(/\s+/g, " "))

describe("a SELECT taken apart", () => {
  test("has slots for keys, aggregates and the part's condition", () => {
    const found = pieces(
      "select o.region, sum(x) + 1 as s from orders o where a or b group by o.region having sum(x) > $1 order by s desc, count(*) limit $2",
    )
    expect(templates(found)).toEqual(['"selecto:k0"', '"selecto:a0" + 1'])
    expect(found).toMatchObject({
      keys: ["o.region"],
      groupingKeys: 1,
      grouping: '"selecto:k0"',
      having: '"selecto:a0" > $1',
      limit: "$2",
    })
    expect(found.where.replace(/\s+/g, " ")).toBe('(a OR b) AND "selecto:part"')
    expect(found.order.map(({ template }) => template)).toEqual(["s DESC", '"selecto:a1"'])
    expect(found.order[0]).toMatchObject({ expression: "sum(x) + 1", descending: true, nullsFirst: true })
    expect(found.aggregates.map(({ text }) => text)).toEqual(["sum(x)", "count(*)"])
  })

  test("positions and names of the output stand for its expressions; an input column goes first in GROUP BY", () => {
    expect(pieces("select lower(a) as l, count(*) from t group by 1").keys).toEqual(["lower(a)"])
    expect(pieces("select lower(a) as l, count(*) from t group by l").keys).toEqual(["lower(a)"])
    expect(pieces("select lower(a) as l, count(*) from t group by l, lower(a)", undefined, ["l"]).keys).toEqual(["l", "lower(a)"])
    expect(() => pieces("select *, a from t order by 2")).toThrow(/counts columns behind \*/)
  })

  test("columns that the keys decide become keys behind them", () => {
    const found = pieces(
      "select o.id, o.total, count(*) from orders o join items i on i.order_id = o.id group by o.id order by o.note",
    )
    expect(found).toMatchObject({ keys: ["o.id", "o.total", "o.note"], groupingKeys: 1 })
  })

  test("grouping sets, windows, DISTINCT and FILTER keep their words", () => {
    const found = pieces(
      "select a, grouping(a, b), sum(x) filter (where y), sum(sum(x)) over w from t group by rollup(a, (b, c)) window w as (order by a)",
    )
    expect(found.grouping).toBe('ROLLUP ("selecto:k0", ("selecto:k1", "selecto:k2"))')
    expect(templates(found)).toEqual([
      '"selecto:k0"',
      'GROUPING("selecto:k0", "selecto:k1")',
      '"selecto:a0"',
      'sum("selecto:a1") OVER w',
    ])
    expect(found.aggregates[0]).toMatchObject({ name: "sum", args: ["x"], filter: "y", distinct: false, special: false })
    expect(found.windows).toEqual(['w AS (ORDER BY "selecto:k0")'])
    expect(pieces("select distinct a from t").distinct).toBe("all")
    expect(pieces("select distinct on (a) a, b from t").distinct).toEqual(["a"])
    expect(pieces("select mine(x order by y) from t").aggregates[0]).toMatchObject({ name: "mine", special: true })
  })

  test("the moment is a slot of the type that was asked for", () => {
    const found = pieces("select current_date, current_timestamp(3), localtime, now() as n from t where at < now()")
    expect(found.clock).toBe(true)
    expect(found.output.map(({ name }) => name)).toEqual(["current_date", "current_timestamp", "localtime", "n"])
    expect(found.output.map(({ text }) => text)).toEqual([
      '"selecto:now"::date',
      'CAST("selecto:now" AS timestamp(3) with time zone)',
      '"selecto:now"::time',
      '"selecto:now"',
    ])
    expect(pieces("select 'now()' from t").clock).toBe(false)
  })

  test("the part's condition stands in the block that the path leads to", () => {
    const inner = pieces("select count(*) from (select * from big b where b.x > 1) s", ["s", "b"])
    expect(inner.from.replace(/\s+/g, " ")).toContain('b.x > 1 AND "selecto:part"')
    expect(inner.where).toBe("")
    expect(pieces("with q as (select * from big) select count(*) from q", ["q", "big"]).with.replace(/\s+/g, " ")).toContain(
      'WHERE "selecto:part"',
    )
    expect(() => pieces("select 1 from t", ["nobody", "t"])).toThrow(/No query called "nobody"/)
  })

  test("what cannot be evaluated over groups says so", () => {
    expect(pieces("select a, (select 1), count(*) from t group by a").beyondGroups).toMatch(/subquery/)
    expect(pieces("select t.*, count(*) from t group by t.id").beyondGroups).toMatch(/whole row/)
    expect(pieces("select a, count(*) from t where exists (select 1) group by a").beyondGroups).toBeNull()
  })

  test("anything else than a plain SELECT is refused, and so are names like the slots'", () => {
    for (const text of ["select 1 union select 2", "values (1)", "delete from t", 'select "selecto:k0" from t'])
      expect(() => pieces(text)).toThrow(expect.objectContaining({ code: "E_UNSUPPORTED_INPUT" }))
  })
})

describe("parameters", () => {
  test("are found by the grammar, not by their look", () => {
    const text = "select '$1', $2::int, $tag$ $1 $tag$, ä, $12 from t where x = $2 -- $1"
    expect(replaceParameters(text, (number) => `<${number}>`)).toBe(
      "select '$1', <2>::int, $tag$ $1 $tag$, ä, <12> from t where x = <2> -- $1",
    )
    expect(compactParameters("select $3, $1, $3", ["a", "b", "c"])).toEqual({ text: "select $1, $2, $1", values: ["c", "a"] })
    expect(compactParameters("select 1", [7])).toEqual({ text: "select 1", values: [] })
  })
})
