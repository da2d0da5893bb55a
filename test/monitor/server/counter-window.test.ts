import fc from "fast-check"
import { expect, test } from "vitest"
import { CounterWindow, otherKey } from "../../../src/monitor/server/counter-window.ts"

const row = (key: string, counters: readonly number[], since: number | null = null) => ({
  key,
  token: counters.join(" "),
  since,
  counters: () => Float64Array.from(counters),
})
const sumsOf = (window: CounterWindow, since = 0) =>
  Object.fromEntries([...window.sums(since)].map(([key, sum]) => [key, [...sum]]))

test("what is seen for the first time counts from then on", () => {
  const window = new CounterWindow({ width: 2 })
  expect(window.absorb(1, null, [row("a", [100, 5])])).toEqual({ resets: 0, firstSeen: 1, vanished: 0 })
  expect(sumsOf(window)).toEqual({})
  window.absorb(2, null, [row("a", [103, 6]), row("b", [50, 1])])
  window.absorb(3, null, [row("a", [103, 6]), row("b", [51, 2])])
  expect(sumsOf(window)).toEqual({ a: [3, 1], b: [1, 1] })
  expect(sumsOf(window, 2)).toEqual({ b: [1, 1] })
})

test("a row that says it began since the last reading counts whole; one that says it is older does not", () => {
  const window = new CounterWindow({ width: 1 })
  window.absorb(1, 1000, [row("a", [9], 500)])
  expect(window.absorb(2, 2000, [row("a", [9], 500), row("new", [4], 1500), row("moved", [700], 600)])).toEqual({
    resets: 0,
    firstSeen: 1,
    vanished: 0,
  })
  expect(sumsOf(window)).toEqual({ new: [4] })
})

test("any counter that fell is a reset, and so is a later beginning: the row counts from zero", () => {
  const window = new CounterWindow({ width: 2 })
  window.absorb(1, 1000, [row("a", [100, 100]), row("b", [10, 10], 1)])
  // The first counter rose, the second fell.
  expect(window.absorb(2, 2000, [row("a", [150, 20]), row("b", [20, 20], 1500)]).resets).toBe(2)
  expect(sumsOf(window)).toEqual({ a: [150, 20], b: [20, 20] })
})

test("counters that are worked out may fall by a hair", () => {
  const window = new CounterWindow({ width: 2, monotone: 1 })
  window.absorb(1, null, [row("a", [1, 5])])
  expect(window.absorb(2, null, [row("a", [2, 4.999])]).resets).toBe(0)
  expect(sumsOf(window)).toEqual({ a: [1, 0] })
})

test("after a reset of everything all rows count whole, those with as many calls as before too", () => {
  const window = new CounterWindow({ width: 1 })
  window.absorb(1, null, [row("a", [5]), row("b", [7])])
  window.zero()
  expect(window.absorb(2, null, [row("a", [5]), row("c", [2])])).toEqual({ resets: 1, firstSeen: 0, vanished: 1 })
  expect(sumsOf(window)).toEqual({ a: [5], c: [2] })
  // It was said once.
  window.absorb(3, null, [row("a", [6]), row("c", [2]), row("d", [1000])])
  expect(sumsOf(window, 2)).toEqual({ a: [1] })
})

test("a restart compares the next reading with nothing, and keeps what was counted", () => {
  const window = new CounterWindow({ width: 1 })
  window.absorb(1, null, [row("a", [5])])
  window.absorb(2, null, [row("a", [8])])
  window.restart()
  expect(window.absorb(3, null, [row("a", [1_000_000])]).firstSeen).toBe(1)
  expect(sumsOf(window)).toEqual({ a: [3] })
})

test("a reading of what changed says what is there: the rest has vanished", () => {
  const window = new CounterWindow({ width: 1 })
  window.absorb(1, null, [row("a", [1]), row("b", [1]), row("c", [1])])
  expect(window.absorb(2, null, [row("a", [2])], new Set(["a", "b"])).vanished).toBe(1)
  window.absorb(3, null, [row("b", [5]), row("c", [9])], new Set(["a", "b", "c"]))
  expect(sumsOf(window)).toEqual({ a: [1], b: [4] })
})

test("the lighter rows of a round add up, so that totals are right", () => {
  const window = new CounterWindow({ width: 2, heaviest: { rows: 2, by: 1 } })
  const rows = (n: number) => Array.from({ length: 10 }, (_, at) => row(`s${at}`, [n, n * at]))
  window.absorb(1, null, rows(1))
  window.absorb(2, null, rows(3))
  expect(sumsOf(window)).toEqual({ s9: [2, 18], s8: [2, 16], [otherKey]: [16, 2 * (0 + 1 + 2 + 3 + 4 + 5 + 6 + 7)] })
})

test("deltas are forgotten after an hour", () => {
  const window = new CounterWindow({ width: 1 })
  for (let minute = 0; minute <= 120; minute++) window.absorb(minute * 60_000, null, [row("a", [minute])])
  expect(sumsOf(window, -1)).toEqual({ a: [60] })
})

/** The rule that goes round: whatever is less than before was reset, and whatever is new counts whole. */
class NaiveWindow {
  readonly known = new Map<string, number>()
  total = 0
  absorb(rows: readonly (readonly [string, number])[]): void {
    for (const [key, n] of rows) this.total += n >= (this.known.get(key) ?? 0) ? n - (this.known.get(key) ?? 0) : n
    for (const [key, n] of rows) this.known.set(key, n)
  }
}

test("whatever happens to the server, no call is counted twice, and none is made up", () => {
  const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 2 ** 31))
  let seen = 0
  let counted = 0
  let fooled = 0
  const events = fc.constantFrom("none", "none", "none", "evict", "reset", "restart", "failover")
  const calls = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 9 })), { maxLength: 6 })
  fc.assert(
    fc.property(fc.array(fc.record({ calls, event: events }), { minLength: 5, maxLength: 40 }), fc.boolean(), (rounds, tells) => {
      const window = new CounterWindow({ width: 1 })
      const naive = new NaiveWindow()
      let server = new Map<string, { calls: number; since: number }>()
      // The standby has served other calls, and nobody has watched them.
      let standby = new Map([..."012345"].map((n) => [`s${n}`, { calls: 500 + Number(n), since: 0 }]))
      let clock = 0
      let truth = 0
      for (const [at, { calls: made, event }] of rounds.entries()) {
        if (event === "reset") server.clear()
        if (event === "evict") for (const key of [...server.keys()].slice(0, 2)) server.delete(key)
        if (event === "restart" || event === "failover") window.restart()
        if (event === "failover") [server, standby] = [standby, server]
        for (const [statement, n] of made) {
          const known = server.get(`s${statement}`) ?? { calls: 0, since: ++clock }
          server.set(`s${statement}`, known)
          known.calls += n
          truth += n
        }
        const rows = [...server].map(([key, { calls: n, since }]) => row(key, [n], tells ? since : null))
        window.absorb(at, ++clock, rows)
        naive.absorb([...server].map(([key, { calls: n }]) => [key, n] as const))
      }
      const total = [...window.sums(-1).values()].reduce((sum, delta) => sum + delta[0]!, 0)
      seen += truth
      counted += total
      if (naive.total > truth) fooled++
      expect(total).toBeLessThanOrEqual(truth)
    }),
    { numRuns: 500, seed },
  )
  console.log(
    `counter window: seed ${seed}, ${counted} of ${seen} calls counted; the naive rule made calls up on ${fooled} of 500 servers`,
  )
  expect(counted / seen).toBeGreaterThan(0.25)
  expect(fooled).toBeGreaterThan(100)
})
