/** Numbers that a seed determines, in [0, 1): mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The seed of a random test: SELECTO_SEED, or another one each time. Print it. */
export function seedOf(): number {
  return process.env.SELECTO_SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(process.env.SELECTO_SEED)
}
