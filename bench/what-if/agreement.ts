import type { Client } from "pg"
import type { CandidateIndex, WhatIfPlanner } from "../../src/indexes/what-if/planner.ts"
import type { Case } from "./cases.ts"

/** What a server said with the index really built, and without. */
export interface Truth {
  readonly one: Case
  readonly before: number
  readonly after: number
  readonly used: boolean
  readonly shape: string
}

/** How a planner's answers compare with the truth. */
export interface Agreement {
  readonly planner: string
  readonly queries: number
  readonly used: number
  readonly verdict: number
  readonly within1Percent: number
  readonly sameShape: number
  readonly sizesWithin15Percent: number
  readonly sizes: number
  readonly milliseconds: number
  readonly misses: readonly string[]
}

interface Node {
  readonly "Node Type": string
  readonly "Total Cost": number
  readonly "Index Name"?: string
  readonly Plans?: readonly Node[]
}

export function createText(candidate: CandidateIndex): string {
  const include = candidate.include.length === 0 ? "" : ` include (${candidate.include.join(", ")})`
  return `create index candidate_${candidate.id} on ${candidate.table} using ${candidate.method} (${candidate.keys.join(", ")})${include}${candidate.where === null ? "" : ` where ${candidate.where}`}`
}

/** Builds each candidate really, plans its queries, drops it. No ANALYZE in between: both sides have the same statistics. */
export async function truthOf(client: Client, cases: readonly Case[], sizes: Map<string, number>): Promise<Truth[]> {
  const explain = async (text: string): Promise<Node> =>
    (await client.query(`explain (format json) ${text}`)).rows[0]["QUERY PLAN"][0].Plan as Node
  const before = new Map<Case, number>()
  for (const one of cases) before.set(one, (await explain(one.text))["Total Cost"])
  const truths: Truth[] = []
  for (const candidate of new Set(cases.map((one) => one.candidate))) {
    await client.query(createText(candidate))
    sizes.set(
      candidate.id,
      Number((await client.query(`select pg_relation_size('candidate_${candidate.id}') as bytes`)).rows[0].bytes),
    )
    for (const one of cases.filter((other) => other.candidate === candidate)) {
      const plan = await explain(one.text)
      truths.push({
        one,
        before: before.get(one)!,
        after: plan["Total Cost"],
        used: namesIn(plan).some((name) => name.startsWith("candidate_")),
        shape: shapeOf(plan),
      })
    }
    await client.query(`drop index candidate_${candidate.id}`)
  }
  return truths
}

/** Asks a planner the same questions. */
export async function agreementOf(
  planner: WhatIfPlanner,
  truths: readonly Truth[],
  sizes: ReadonlyMap<string, number>,
): Promise<Agreement> {
  const counts = { used: 0, verdict: 0, within1Percent: 0, sameShape: 0, sizesWithin15Percent: 0, sizes: 0 }
  const misses: string[] = []
  const priced = truths.filter(({ one }) => planner.canPrice(one.candidate))
  const started = performance.now()
  for (const { one, before, after, used, shape } of priced) {
    const base = await planner.plan({ text: one.text }, [])
    const plan = await planner.plan({ text: one.text }, [one.candidate])
    const agreesUsed = plan.used.length > 0 === used
    const agreesVerdict = (base.cost - plan.cost) / base.cost >= 0.1 === (before - after) / before >= 0.1
    const close = Math.abs(plan.cost / after - 1) <= 0.01
    counts.used += Number(agreesUsed)
    counts.verdict += Number(agreesVerdict)
    counts.within1Percent += Number(close)
    counts.sameShape += Number(shapeOf((plan.plan as { Plan: Node }[])[0]!.Plan) === shape)
    if (!agreesUsed || !agreesVerdict || !close) {
      misses.push(
        `${one.candidate.id}: ${agreesUsed ? "" : "USED "}${agreesVerdict ? "" : "VERDICT "}${before} -> ${after}, planner ${base.cost} -> ${plan.cost.toFixed(2)}: ${one.text}`,
      )
    }
  }
  const milliseconds = performance.now() - started
  for (const candidate of new Set(priced.map(({ one }) => one.candidate))) {
    const size = await planner.size(candidate)
    const real = sizes.get(candidate.id)!
    counts.sizes++
    if (size !== null && Math.abs(size / real - 1) <= 0.15) counts.sizesWithin15Percent++
    else misses.push(`size of ${candidate.id}: ${size}, really ${real}`)
  }
  return {
    planner: planner.name,
    queries: priced.length,
    ...counts,
    milliseconds: milliseconds / Math.max(1, 2 * priced.length),
    misses,
  }
}

function namesIn(node: Node): string[] {
  return [...(node["Index Name"] === undefined ? [] : [node["Index Name"]]), ...(node.Plans ?? []).flatMap(namesIn)]
}

function shapeOf(node: Node): string {
  return `${node["Node Type"]}(${(node.Plans ?? []).map(shapeOf).join(",")})`
}
