/** One row of a benchmark's table. */
export interface BenchRow {
  readonly name: string
  /** Median of the rounds, in microseconds a call. */
  readonly microseconds: number
  /** Median over the rounds of this row's time divided by the reference's in the same round. */
  readonly ratio: number
  /** Between these lie the ratios of half of the rounds. */
  readonly middleHalf?: readonly [low: number, high: number] | undefined
  /** What else is to be said of it. */
  readonly note?: string | undefined
}

export interface BenchResult {
  readonly name: string
  readonly title: string
  readonly reference: string
  readonly rounds: number
  readonly rows: readonly BenchRow[]
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Quartiles. */
export function middleHalf(values: readonly number[]): readonly [low: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b)
  return [sorted[Math.floor((sorted.length - 1) / 4)]!, sorted[Math.ceil(((sorted.length - 1) * 3) / 4)]!]
}

/**
 * Times synchronous functions in interleaved rounds, so that what else the machine does meets all of them alike. Each round calls
 * each function `batch` times in a row; the argument is a running number, so that nothing can be memoised by value.
 */
export function compare(
  name: string,
  title: string,
  shapes: Readonly<Record<string, (n: number) => unknown>>,
  reference: string,
  rounds = 41,
  batch = 400,
): BenchResult {
  const names = Object.keys(shapes)
  let n = 0
  const time = (shape: string): number => {
    const run = shapes[shape]!
    const start = process.hrtime.bigint()
    for (let i = 0; i < batch; i++) run(n++)
    return Number(process.hrtime.bigint() - start) / 1000 / batch
  }
  for (let warm = 0; warm < Math.max(5, 5000 / batch); warm++) for (const shape of names) time(shape)
  const times = new Map<string, number[]>(names.map((shape) => [shape, []]))
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < names.length; i++) {
      const shape = names[(i + round) % names.length]!
      times.get(shape)!.push(time(shape))
    }
  const base = times.get(reference)!
  const rows = names.map((shape) => ({
    name: shape,
    microseconds: median(times.get(shape)!),
    ratio: median(times.get(shape)!.map((value, round) => value / base[round]!)),
  }))
  return { name, title, reference, rounds, rows }
}
