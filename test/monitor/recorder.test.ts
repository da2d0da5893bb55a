import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { describe, expect, onTestFinished, test } from "vitest"
import { createMonitor, type Monitor, type MonitorOptions, type Observation } from "../../src/monitor/index.ts"
import type { StatementMetrics } from "../../src/monitor/metrics.ts"

/** A monitor whose clocks stand still until they are moved. */
function testMonitor(options: MonitorOptions = {}): { monitor: Monitor; clock: { wall: number; monotonic: number } } {
  const clock = { wall: Date.UTC(2026, 0, 1, 12), monotonic: 1000 }
  const { service } = createMonitor({
    eventLoopDelay: false,
    clock: { wall: () => clock.wall, monotonic: () => clock.monotonic },
    ...options,
  })
  onTestFinished(() => service.close())
  return { monitor: service, clock }
}

function call(monitor: Monitor, text: string, time: number, error: string | null = null, rows = 1): void {
  monitor.recorder.record(text, time, 0.5, time * 0.75, time * 0.25, rows, -1, error, null, "statement", null)
}

function totals(metrics: readonly StatementMetrics[]): { calls: number; time: number; rows: number; errors: number } {
  const sum = (of: (one: StatementMetrics) => number): number => metrics.reduce((total, one) => total + of(one), 0)
  return {
    calls: sum((one) => one.calls),
    time: sum((one) => one.executionTime.total),
    rows: sum((one) => one.rowsReturned.total),
    errors: sum((one) => Object.values(one.errors).reduce((total, n) => total + n, 0)),
  }
}

describe("metrics", () => {
  test("have the promised shape, each figure with its source, n and error", async () => {
    const { monitor } = testMonitor()
    for (let n = 1; n <= 200; n++) call(monitor, `select * from film where length > ${n}`, n, null, n)
    await monitor.ready()
    const [film, ...rest] = monitor.metrics()
    expect(rest).toEqual([])
    expect(film).toMatchObject({
      identity: "fingerprint",
      summary: "SELECT film",
      text: "select * from film where length > $1",
      calls: 200,
      errors: {},
      share: 1,
      executionTime: { count: 200, n: 200, source: "client-histogram", tooFew: [], max: 200, avg: 100.5 },
      rowsReturned: { avg: 100.5, max: 200, total: 20_100, source: "client-count", n: 200 },
      queryFrequency: { perHour: 200, peakPerMinute: 200, source: "client-count" },
      split: { poolWait: 0.5, poolWaitMax: 0.5, server: 75.375, transfer: 25.125 },
      rowsExamined: null,
      memoryUsage: null,
      indexHits: null,
    })
    expect(film!.fingerprint).toMatch(/^[0-9a-f]{16}$/)
    expect(Math.abs(film!.executionTime.p95! / 190 - 1)).toBeLessThan(film!.executionTime.relativeError)
    expect(film!.executionTime.relativeError).toBeLessThan(0.035)
  })

  test("say too few instead of making percentiles up", async () => {
    const { monitor } = testMonitor()
    for (let n = 0; n < 19; n++) call(monitor, "select 1", 5)
    expect(monitor.metrics()[0]!.executionTime).toMatchObject({ p95: null, p99: null, tooFew: ["p95", "p99"] })
    expect(monitor.metrics()[0]!.executionTime.p50).not.toBeNull()
    call(monitor, "select 1", 5)
    expect(monitor.metrics()[0]!.executionTime).toMatchObject({ tooFew: ["p99"] })
    expect(monitor.metrics()[0]!.executionTime.p95).toBeCloseTo(5)
  })

  test("count errors by class, and time only what reached the server", async () => {
    const { monitor } = testMonitor()
    call(monitor, "insert into t values (1)", 3, "23505")
    call(monitor, "insert into t values (2)", 3, "23503")
    call(monitor, "insert into t values (3)", 3, "57014")
    monitor.recorder.record("insert into t values (4)", -1, 900, 0, 0, -1, -1, "E_POOL_TIMEOUT", null, "statement", null)
    await monitor.ready()
    const [insert] = monitor.metrics()
    expect(insert).toMatchObject({
      calls: 4,
      errors: { "23": 2, "57": 1, E_POOL_TIMEOUT: 1 },
      executionTime: { count: 3, max: 3 },
    })
    expect(insert!.split!.poolWaitMax).toBe(900)
  })

  test("show the collector's figures once it has them", async () => {
    const { monitor } = testMonitor()
    call(monitor, "select * from film", 5)
    await monitor.ready()
    const indexHits = { ratio: 0.95, total: 15_420, source: "pg_stat_user_tables", n: 16_231, relativeError: 0 }
    monitor.collectFrom(() => () => ({ rowsExamined: null, memoryUsage: null, indexHits, server: null, coverage: null }))
    expect(monitor.metrics()[0]).toMatchObject({ rowsExamined: null, memoryUsage: null, indexHits })
  })

  test("no constant of an inlined statement is shown", async () => {
    const { monitor } = testMonitor()
    call(monitor, "select * from card where number = '4111-1111' and pin = 1234", 5)
    call(monitor, "this is no SQL '4111-1111'", 5)
    await monitor.ready()
    expect(JSON.stringify(monitor.metrics())).not.toMatch(/4111|1234/)
    expect(monitor.metrics().map((one) => one.identity)).toEqual(["fingerprint", "shape"])
  })
})

describe("windows", () => {
  test("minutes leave after an hour; the heaviest minute is remembered until then", async () => {
    const { monitor, clock } = testMonitor()
    const minute = (): void => {
      clock.wall += 60_000
      clock.monotonic += 60_000
      monitor.recorder.roll()
    }
    for (let n = 0; n < 50; n++) call(monitor, "select 1", 100)
    await monitor.ready()
    minute()
    for (let at = 0; at < 30; at++) {
      call(monitor, "select 1", 1)
      minute()
    }
    expect(monitor.metrics()[0]).toMatchObject({ calls: 80, queryFrequency: { perHour: 80, peakPerMinute: 50 } })
    expect(monitor.metrics({ window: "5m" })[0]).toMatchObject({ executionTime: { max: 1 } })
    for (let at = 0; at < 31; at++) minute()
    expect(monitor.metrics()[0]).toMatchObject({ queryFrequency: { peakPerMinute: 1 }, executionTime: { max: 1 } })
    for (let at = 0; at < 61; at++) minute()
    expect(monitor.metrics()).toEqual([])
  })

  test("a wall clock that jumps changes labels only", async () => {
    const { monitor, clock } = testMonitor()
    call(monitor, "select 1", 2)
    await monitor.ready()
    clock.monotonic += 60_000
    clock.wall -= 86_400_000
    const back = monitor.recorder.roll()
    call(monitor, "select 1", 2)
    clock.monotonic += 60_000
    clock.wall += 10 * 86_400_000
    const forth = monitor.recorder.roll()
    expect(back).toHaveLength(1)
    expect(forth).toHaveLength(1)
    expect(back[0]!.minute).toBeLessThan(forth[0]!.minute)
    expect(monitor.metrics()[0]).toMatchObject({ calls: 2, executionTime: { max: 2 }, window: { seconds: 120 } })
    // A monotonic clock never goes back; a broken one must not break the figures either.
    call(monitor, "select 1", -5)
    expect(monitor.metrics()[0]!.calls).toBe(3)
  })
})

describe("a bounded store", () => {
  test("100,000 distinct statements: memory bounded, totals right", async () => {
    const { monitor, clock } = testMonitor({ maxStatements: 100 })
    await monitor.ready()
    const before = process.memoryUsage().heapUsed
    let time = 0
    for (let n = 0; n < 100_000; n++) {
      const ms = 1 + (n % 7)
      time += ms
      call(
        monitor,
        `select column_${n} from table_${n % 1000} where note = '${"x".repeat(n % 50)}'`,
        ms,
        n % 10 === 0 ? "40001" : null,
      )
      clock.monotonic += 0.6
      if (n % 500 === 0) monitor.recorder.settle()
    }
    const metrics = monitor.metrics()
    expect(totals(metrics)).toEqual({ calls: 100_000, time, rows: 100_000, errors: 10_000 })
    expect(metrics.length).toBeLessThanOrEqual(101)
    expect(metrics.at(-1)).toMatchObject({ fingerprint: "other", identity: "other" })
    expect(monitor.health().fingerprints).toBeGreaterThan(100)
    // The budget of 200 a second, over 60 seconds.
    expect(monitor.health().fingerprints).toBeLessThanOrEqual(200 * 61)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(40e6)
  })

  test("the heavy statements get the places, whoever came first", async () => {
    const { monitor, clock } = testMonitor({ maxStatements: 3 })
    for (const table of ["a", "b", "c"]) call(monitor, `select * from ${table}`, 1)
    await monitor.ready()
    for (let n = 0; n < 50; n++) call(monitor, "select * from heavy", 100)
    await monitor.ready()
    expect(monitor.metrics().map((one) => one.summary)).not.toContain("SELECT heavy")
    clock.monotonic += 60_000
    clock.wall += 60_000
    monitor.recorder.roll()
    for (let n = 0; n < 50; n++) call(monitor, "select * from heavy", 100)
    const metrics = monitor.metrics()
    expect(metrics[0]).toMatchObject({ summary: "SELECT heavy", calls: 50 })
    expect(totals(metrics)).toMatchObject({ calls: 103, time: 10_003 })
    expect(monitor.health().statements).toBe(3)
  })

  test("a light newcomer displaces nobody", async () => {
    const { monitor, clock } = testMonitor({ maxStatements: 2 })
    for (const table of ["a", "b"]) call(monitor, `select * from ${table}`, 100)
    await monitor.ready()
    call(monitor, "select * from light", 100)
    await monitor.ready()
    clock.monotonic += 60_000
    monitor.recorder.roll()
    call(monitor, "select * from light", 1)
    expect(
      monitor
        .metrics()
        .map((one) => one.summary)
        .sort(),
    ).toEqual(["SELECT a", "SELECT b", null])
  })

  test("reading before statements are identified loses no call", () => {
    const { monitor } = testMonitor()
    for (let n = 0; n < 10_000; n++) call(monitor, `select a${n}`, 1)
    expect(totals(monitor.metrics()).calls).toBe(10_000)
  })

  test("texts of any length are counted", async () => {
    const { monitor } = testMonitor()
    call(monitor, `select ${"1 + ".repeat(200_000)} 1`, 1)
    call(monitor, "", 1)
    await monitor.ready()
    expect(totals(monitor.metrics()).calls).toBe(2)
  })
})

describe("listeners", () => {
  test("hear each call; one that throws disturbs nobody", () => {
    const { monitor } = testMonitor({ slowQueryMs: "10ms" })
    const heard: string[] = []
    const slow: number[] = []
    monitor.on("query", () => {
      throw new Error("a listener's own fault")
    })
    monitor.on("query", ({ text }) => heard.push(text))
    const stop = monitor.on("slow", ({ time }) => slow.push(time!))
    call(monitor, "select 1", 5)
    call(monitor, "select 2", 15)
    stop()
    call(monitor, "select 3", 25)
    expect(heard).toEqual(["select 1", "select 2", "select 3"])
    expect(slow).toEqual([15])
    expect(monitor.health().listenerErrors).toBe(3)
    expect(totals(monitor.metrics()).calls).toBe(3)
  })
})

test("the channel has every call of every monitor while somebody subscribes, and none after", () => {
  const heard: string[] = []
  const hear = (message: unknown): void => void heard.push((message as Observation).text)
  const [one, other] = [testMonitor().monitor, testMonitor().monitor]
  call(one, "select 0", 1)
  subscribe("selecto:query", hear)
  call(one, "select 1", 1)
  call(other, "select 2", 1)
  unsubscribe("selecto:query", hear)
  call(one, "select 3", 1)
  expect(heard).toEqual(["select 1", "select 2"])
})

test("the live top: rates, heaviest first", async () => {
  const { monitor, clock } = testMonitor()
  for (let n = 0; n < 30; n++) call(monitor, "select * from film", 10)
  for (let n = 0; n < 90; n++) call(monitor, "select * from actor", 1, n % 9 === 0 ? "40001" : null)
  await monitor.ready()
  clock.monotonic += 30_000
  const top = monitor.top()
  expect(top.rows.map((row) => row.title)).toEqual(["SELECT film", "SELECT actor"])
  expect(top.rows[0]).toMatchObject({ calls: 30, callsPerSecond: 1, time: 300, mean: 10 })
  expect(top.totals).toEqual({ calls: 120, callsPerSecond: 4, time: 390, errors: 10 })
  expect(monitor.top({ by: "calls", limit: 1 }).rows.map((row) => row.title)).toEqual(["SELECT actor"])
  expect(monitor.top({ by: "errors" }).rows[0]!.errors).toBe(10)
})
