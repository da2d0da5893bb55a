import { analyzeQueryPlan, parsePlan } from "../src/explain/index.ts"
import { type BenchResult, median } from "./support/compare.ts"

type Fields = Record<string, unknown>

/** A plan of about `nodes` nodes: unions of joins of filtered scans, with the fields that VERBOSE and BUFFERS give. */
function planOf(nodes: number): string {
  let made = 1
  const node = (type: string, relationship: string, more: Fields, plans: Fields[] = []): Fields => {
    made++
    return {
      "Node Type": type,
      "Parent Relationship": relationship,
      "Parallel Aware": false,
      "Startup Cost": 0.43,
      "Total Cost": 8123.45,
      "Plan Rows": 1000,
      "Plan Width": 64,
      "Actual Startup Time": 0.01,
      "Actual Total Time": 0.9 * 0.8 ** plans.length,
      "Actual Rows": 950,
      "Actual Loops": 1,
      Output: ["o.id", "o.customer_id", "lower(o.name)"],
      "Shared Hit Blocks": 600,
      "Shared Read Blocks": 12,
      "Shared Dirtied Blocks": 0,
      "Shared Written Blocks": 0,
      "Local Hit Blocks": 0,
      "Local Read Blocks": 0,
      "Temp Read Blocks": 0,
      "Temp Written Blocks": 0,
      "Shared I/O Read Time": 0.1,
      ...more,
      ...(plans.length > 0 ? { Plans: plans } : {}),
    }
  }
  const scan = (alias: string, relationship: string): Fields =>
    node("Seq Scan", relationship, {
      "Relation Name": "orders",
      Alias: alias,
      Schema: "public",
      Filter: `((${alias}.status = 'open'::text) AND (${alias}.total > '100'::numeric))`,
      "Rows Removed by Filter": 90000,
    })
  const members: Fields[] = []
  while (made < nodes) {
    const at = members.length
    members.push(
      node("Hash Join", "Member", { "Join Type": "Inner", "Hash Cond": `(o_${at}.customer_id = c_${at}.id)` }, [
        scan(`o_${at}`, "Outer"),
        node("Hash", "Inner", { "Hash Batches": 1 }, [
          node("Index Scan", "Outer", {
            "Relation Name": "customers",
            Alias: `c_${at}`,
            "Index Name": "customers_pkey",
            "Index Cond": `(c_${at}.id < 1000)`,
          }),
        ]),
      ]),
    )
  }
  return JSON.stringify([
    {
      Plan: {
        "Node Type": "Append",
        "Actual Total Time": 100000,
        "Actual Rows": 1e6,
        "Actual Loops": 1,
        "Total Cost": 1e7,
        "Plan Rows": 1e6,
        "Plan Width": 8,
        Plans: members,
      },
      "Execution Time": 100001,
    },
  ])
}

/** Processor time of this process: other work on the machine does not count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Reading and judging plans of 100, 1,000 and 10,000 nodes: the ratio is the time for one node against that of 1,000. */
export async function planBench(): Promise<BenchResult> {
  const measured = [100, 1000, 10_000].map((nodes) => {
    const text = planOf(nodes)
    const parse: number[] = []
    const analyse: number[] = []
    for (let run = 0; run < Math.max(7, 20_000 / nodes); run++) {
      const start = cpuMs()
      const plan = parsePlan(text)
      const middle = cpuMs()
      analyzeQueryPlan(plan)
      parse.push(middle - start)
      analyse.push(cpuMs() - middle)
    }
    return { nodes, parseMs: median(parse), analyseMs: median(analyse) }
  })
  const perNode = (row: (typeof measured)[number]): number => (row.parseMs + row.analyseMs) / row.nodes
  const reference = measured[1]!
  return {
    name: "plan",
    title: "Plans read and judged, processor time",
    reference: "a node of 1,000",
    rounds: 7,
    rows: measured.map((row) => ({
      name: `${row.nodes.toLocaleString("en")} nodes`,
      microseconds: (row.parseMs + row.analyseMs) * 1000,
      ratio: perNode(row) / perNode(reference),
      note: `parse ${row.parseMs.toFixed(1)} ms, analyse ${row.analyseMs.toFixed(1)} ms${row.nodes === 1000 ? " (promised: 20 ms together)" : ""}`,
    })),
  }
}
