import pg from "pg"
import type { ParallelReport } from "../../src/parallel/index.ts"
import { type BenchResult, median } from "../support/compare.ts"

export interface Rounds {
  /** Milliseconds of every round, by name. */
  readonly times: ReadonlyMap<string, readonly number[]>
  /** Median over the rounds of a row's time over the reference's in the same round. */
  ratio(name: string, reference: string): number
  /** Least and greatest of these. */
  spread(name: string, reference: string): readonly [number, number]
}

/** Runs every shape once a round, in another order each time, after one round that does not count. */
export async function interleaved(shapes: Readonly<Record<string, () => Promise<unknown>>>, rounds = 7): Promise<Rounds> {
  const names = Object.keys(shapes)
  const times = new Map<string, number[]>(names.map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++)
    for (let at = 0; at < names.length; at++) {
      const name = names[(at + round) % names.length]!
      const started = performance.now()
      await shapes[name]!()
      if (round > 0) times.get(name)!.push(performance.now() - started)
    }
  const ratios = (name: string, reference: string): number[] =>
    times.get(name)!.map((ms, round) => ms / times.get(reference)![round]!)
  return {
    times,
    ratio: (name, reference) => median(ratios(name, reference)),
    spread: (name, reference) => {
      const all = ratios(name, reference)
      return [Math.min(...all), Math.max(...all)]
    },
  }
}

/** A table like those of the other benchmarks, of all rows or of some. */
export function resultOf(
  name: string,
  title: string,
  reference: string,
  rounds: Rounds,
  notes: Readonly<Record<string, string>> = {},
  names: readonly string[] = [...rounds.times.keys()],
): BenchResult {
  return {
    name,
    title,
    reference,
    rounds: rounds.times.get(reference)!.length,
    rows: names.map((row) => {
      const [least, most] = rounds.spread(row, reference)
      const ms = median(rounds.times.get(row)!)
      return {
        name: row,
        microseconds: ms * 1000,
        ratio: rounds.ratio(row, reference),
        note: [`${ms.toFixed(ms < 10 ? 1 : 0)} ms, ratios ${least.toFixed(2)} to ${most.toFixed(2)}`, notes[row]]
          .filter((one) => one !== undefined)
          .join("; "),
      }
    }),
  }
}

/** What report.parallel said of a run, in a note's length. */
export function told(report: ParallelReport | null): string {
  if (report === null) return "no report"
  if (report.chosen === "server") return `server, ${report.launched ?? "?"} of ${report.planned ?? "?"} workers launched`
  if (report.chosen === "none") return `none: ${report.why}`
  return `client, ${report.workers} sessions, ${report.parts} parts by ${report.partition}`
}

/** EXPLAIN of a baseline, for whoever judges the figures. */
export async function printPlan(url: string, sql: string, settings = ""): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    if (settings !== "") await client.query(settings)
    const { rows } = await client.query(`explain ${sql}`)
    const lines = rows.map((row) => `  ${row["QUERY PLAN"]}`).join("\n")
    console.error(`\nEXPLAIN ${sql}${settings === "" ? "" : ` -- ${settings}`}\n${lines}`)
  } finally {
    await client.end()
  }
}
