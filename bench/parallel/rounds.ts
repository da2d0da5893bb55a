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

/** A table like those of the other benchmarks. */
export function resultOf(
  name: string,
  title: string,
  reference: string,
  rounds: Rounds,
  notes: Readonly<Record<string, string>> = {},
): BenchResult {
  return {
    name,
    title,
    reference,
    rounds: rounds.times.get(reference)!.length,
    rows: [...rounds.times.keys()].map((row) => {
      const [least, most] = rounds.spread(row, reference)
      return {
        name: row,
        microseconds: median(rounds.times.get(row)!) * 1000,
        ratio: rounds.ratio(row, reference),
        note: [`${(median(rounds.times.get(row)!)).toFixed(0)} ms, ratios ${least.toFixed(2)} to ${most.toFixed(2)}`, notes[row]]
          .filter(Boolean)
          .join("; "),
      }
    }),
  }
}

export function print({ title, reference, rounds, rows }: BenchResult): void {
  console.log(`\n${title} (median of ${rounds} rounds, ratio to ${reference})`)
  const width = Math.max(...rows.map((row) => row.name.length))
  for (const row of rows) console.log(`  ${row.name.padEnd(width)}  x ${row.ratio.toFixed(3)}  ${row.note ?? ""}`)
}
