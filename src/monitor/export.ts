import { createTally, type Entry, mergeTally, type Tally } from "./entry.ts"
import type { Recorder } from "./recorder.ts"
import type { StickyTop } from "./sticky-top.ts"
import { lifetimeOf } from "./store.ts"

/** A statement with its counters since the start, or "other" for all that have no series of their own. */
export interface ExportedStatement {
  readonly fingerprint: string
  readonly summary: string | null
  readonly text: string | null
  readonly tally: Tally
}

/** Counters since the start of the statements that have a place in `top`; the others are one more, so that sums are right. */
export function exportedStatements(recorder: Recorder, top: StickyTop): ExportedStatement[] {
  recorder.settle()
  const entries = [...recorder.store.all()]
  const candidates = entries
    .filter((entry) => entry.identity !== "other")
    .map((entry) => ({ fingerprint: entry.fingerprint, weight: weightOf(entry) }))
  const chosen = top.choose(candidates, recorder.clock.monotonic())
  const rest = createTally()
  const exported: ExportedStatement[] = []
  for (const entry of entries) {
    const tally = lifetimeOf(entry)
    if (chosen.has(entry.fingerprint))
      exported.push({ fingerprint: entry.fingerprint, summary: entry.summary, text: entry.text, tally })
    else mergeTally(rest, tally)
  }
  exported.push({ fingerprint: "other", summary: null, text: null, tally: rest })
  return exported
}

function weightOf(entry: Entry): number {
  return entry.minutesTime + entry.current.time.sum
}
