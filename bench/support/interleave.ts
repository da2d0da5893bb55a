import { type BenchResult, median, middleHalf } from "./compare.ts"

/** Before anything counts each function is called four rounds, and on until it has been called so often or so much time has passed. */
const warmCalls = 2000
const warmMs = 2000

/** Runs `calls` calls and ends when all of them have. The argument is a running number. */
export type Workload = (n: number) => Promise<unknown>

/**
 * Times asynchronous functions in interleaved rounds, each with `concurrency` calls under way, so that what else the machine does
 * meets all of them alike. The ratio is the median over the rounds of a row's time divided by the reference's in the same round.
 */
export async function interleave(
  name: string,
  title: string,
  shapes: Readonly<Record<string, Workload>>,
  reference: string,
  { rounds = 31, calls = 400, concurrency = 1 }: { rounds?: number; calls?: number; concurrency?: number } = {},
): Promise<BenchResult> {
  const names = Object.keys(shapes)
  let n = 0
  const cpu = new Map<string, number>(names.map((shape) => [shape, 0]))
  const time = async (shape: string): Promise<number> => {
    const run = shapes[shape]!
    let left = calls
    const lane = async (): Promise<void> => {
      while (left-- > 0) await run(n++)
    }
    const before = process.cpuUsage()
    const start = process.hrtime.bigint()
    await Promise.all(Array.from({ length: concurrency }, lane))
    const elapsed = Number(process.hrtime.bigint() - start) / 1000 / calls
    const { user, system } = process.cpuUsage(before)
    cpu.set(shape, cpu.get(shape)! + (user + system) / calls)
    return elapsed
  }
  const warm = performance.now() + warmMs
  for (let round = 0; round < 4 || (round * calls < warmCalls && performance.now() < warm); round++)
    for (const shape of names) await time(shape)
  for (const shape of names) cpu.set(shape, 0)
  const times = new Map<string, number[]>(names.map((shape) => [shape, []]))
  for (let round = 0; round < rounds; round++)
    for (let i = 0; i < names.length; i++) {
      const shape = names[(i + round) % names.length]!
      times.get(shape)!.push(await time(shape))
    }
  const base = times.get(reference)!
  const rows = names.map((shape) => {
    const ratios = times.get(shape)!.map((value, round) => value / base[round]!)
    return {
      name: shape,
      microseconds: median(times.get(shape)!),
      ratio: median(ratios),
      middleHalf: shape === reference ? undefined : middleHalf(ratios),
      note: `${(cpu.get(shape)! / rounds).toFixed(1)} of this process's time`,
    }
  })
  return { name, title, reference, rounds, rows }
}
