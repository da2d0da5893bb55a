import { randomOf } from "../support/random.ts"

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** Times of queries as they occur, in milliseconds. */
export const distributions: Readonly<Record<string, (random: () => number) => number>> = {
  normal: (random) => Math.max(0.5, 20 + 4 * normal(random)),
  exponential: (random) => -10 * Math.log(1 - random()) + 0.01,
  lognormal: (random) => Math.exp(1.5 * normal(random) + 1.6),
  bimodal: (random) => (random() < 0.9 ? Math.max(0.2, 2 + 0.2 * normal(random)) : Math.max(100, 400 + 30 * normal(random))),
  pareto: (random) => 0.05 / (1 - random()) ** (1 / 1.2),
}

export function sampleOf(draw: (random: () => number) => number, n: number, seed: number): number[] {
  const random = randomOf(seed)
  return Array.from({ length: n }, () => draw(random))
}

/** Nearest rank. */
export function exactPercentile(values: readonly number[], p: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(1, Math.ceil(p * sorted.length)) - 1]!
}
