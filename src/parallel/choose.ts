import type { Estimate } from "./estimate.ts"

export type Choice = "none" | "server" | "client"

/** What a choice is made from. */
export interface Evidence {
  readonly estimate: Estimate
  /** The plan with the server's knobs turned for this statement; null where it was not asked for. */
  readonly tuned: Estimate | null
  /** What the statement takes as it is: measured, or the planner's cost in this server's milliseconds. */
  readonly ms: number
  readonly measured: Readonly<Partial<Record<Choice, number>>>
  readonly roundTripMs: number
  /** Why sessions cannot share it; null where they can. */
  readonly refusal: string | null
  /** What all parts together cost, over what the whole costs in one session without PostgreSQL's workers. */
  readonly partsCost: number | null
  /** The share of its time that one stream left this process idle, waiting for rows; null where none was watched. */
  readonly idle: number | null
  readonly rows: number
}

/** Shorter statements are not worth a second session; far away a part waits longer for its answer. */
export function worthwhileMs(roundTripMs: number): number {
  return roundTripMs >= 10 ? 500 : 200
}

/** Answers of so many rows are bound by what brings them here, not by what finds them. */
const manyRows = 50_000
/** From here on the server counts as far away. */
const farMs = 5
/** Parts that repeat more work than this are no gain on two sessions. */
const mostRepeated = 1.5

/** Who shall run the statement, and why in one sentence. Pure: the same evidence gives the same answer. */
export function choose(evidence: Evidence): { readonly choice: Choice; readonly why: string } {
  const { measured, ms } = evidence
  if (ms < worthwhileMs(evidence.roundTripMs))
    return { choice: "none", why: `it takes about ${round(ms)} ms: a second session would not pay` }
  const best = bestMeasured(measured)
  if (best !== null) return best
  const first = byKind(evidence)
  if (first.choice === "none") return first
  const tried = measured[first.choice]
  // Tried once, it did not halve what the statement should take: the next run shows what that really is.
  if (tried !== undefined && measured.none === undefined && tried > ms / 2)
    return {
      choice: "none",
      why: `${first.choice === "server" ? "PostgreSQL's workers" : "several sessions"} took ${round(tried)} ms: run once as it is, to compare`,
    }
  return first
}

function bestMeasured(measured: Evidence["measured"]): { readonly choice: Choice; readonly why: string } | null {
  const known = Object.entries(measured) as [Choice, number][]
  if (known.length < 2) return null
  known.sort(([, a], [, b]) => a - b)
  const [[choice, ms], [second, slower]] = known as [[Choice, number], [Choice, number]]
  // Within the noise of a machine the plainer way stays.
  const plain = slower < ms * 1.05 && second === "none" ? second : choice
  return { choice: plain, why: `measured: ${known.map(([name, took]) => `${name} ${round(took)} ms`).join(", ")}` }
}

function byKind({ estimate, tuned, refusal, partsCost, roundTripMs, idle, rows }: Evidence): { choice: Choice; why: string } {
  const gather = estimate.gather?.useful ? estimate.gather : (tuned?.gather?.useful ?? false) ? tuned!.gather : null
  if (rows >= manyRows) {
    const waits = idle !== null ? idle > 0.3 : roundTripMs >= farMs
    if (!waits) return { choice: "none", why: `${rows} rows are read here as fast as one session sends them` }
    if (refusal === null)
      return { choice: "client", why: `${rows} rows come in over one stream slower than they could be read here` }
    return { choice: "none", why: refusal }
  }
  if (gather !== null) return { choice: "server", why: `PostgreSQL plans ${gather.workers} workers, and few rows come out` }
  if (refusal !== null) return { choice: "none", why: refusal }
  if (partsCost !== null && partsCost > mostRepeated)
    return { choice: "none", why: `its parts would repeat work: ${partsCost.toFixed(1)} times the cost of the whole` }
  return { choice: "client", why: "PostgreSQL plans it for one process, and it can be split" }
}

function round(ms: number): number {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)
}
