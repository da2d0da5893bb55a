import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { monitorPorts } from "../../src/client/monitor-ports.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { createHistogram, createMonitor, geometricMean, type Monitor, percentile, record } from "../../src/monitor/index.ts"
import { Baselines, hourMs, hourOf } from "../../src/monitor/regressions/baseline.ts"
import { fingerprint } from "../../src/sql/index.ts"
import { eachServer } from "../support/each-server.ts"
import { randomOf } from "../support/random.ts"
import { type TestClock, testClock } from "./clock.ts"

const start = Date.UTC(2026, 0, 20, 12)
const hour = (at: number, middle: number, n = 100, p95 = middle * 3) => ({ at, n, middle, p95 })

describe("a baseline", () => {
  test("is the median of the same hour of past days, so that a daily rhythm is no news", () => {
    const baselines = new Baselines()
    for (let back = 1; back <= 14 * 24; back++) {
      const at = start - back * hourMs
      // Slow at noon, every day.
      baselines.put("f", hour(at, new Date(at).getUTCHours() === 12 ? 80 : 20))
    }
    expect(baselines.of("f", start)).toEqual({ middle: 80, p95: 240, hours: 14, of: "the same hour of past days" })
    expect(baselines.of("f", start + hourMs)).toMatchObject({ middle: 20, of: "the same hour of past days" })
  })

  test("is the last hours while there are not enough days; less than five are none", () => {
    const baselines = new Baselines()
    for (let back = 1; back <= 4; back++) baselines.put("f", hour(start - back * hourMs, 10 * back))
    expect(baselines.of("f", start)).toBeNull()
    baselines.put("f", hour(start - 5 * hourMs, 50))
    expect(baselines.of("f", start)).toEqual({ middle: 30, p95: 90, hours: 5, of: "past hours" })
    expect(baselines.of("g", start)).toBeNull()
  })

  test("hours of few calls say nothing, and one mad hour does not move it", () => {
    const baselines = new Baselines()
    for (let back = 1; back <= 10; back++)
      baselines.put("f", hour(start - back * hourMs, back === 3 ? 9000 : 10, back === 5 ? 19 : 100))
    expect(baselines.of("f", start)).toMatchObject({ middle: 10, hours: 9 })
  })

  test("stays where it was when it is held", () => {
    const baselines = new Baselines()
    for (let back = 1; back <= 30; back++) baselines.put("f", hour(start - back * hourMs, back <= 12 ? 100 : 10))
    expect(baselines.of("f", start)!.middle).toBe(100)
    expect(baselines.of("f", start, start - 12 * hourMs)!.middle).toBe(10)
  })
})

/**
 * Why the geometric mean: of windows of one unchanged, skewed distribution, how often is a statistic above twice its median of 14
 * windows; and how often when everything is three times as slow.
 */
test("the geometric mean cries wolf less often than mean or percentile, and hears more", () => {
  const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const uniform = randomOf(seed)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
  const windowOf = (n: number, factor: number) => {
    const histogram = createHistogram()
    for (let i = 0; i < n; i++) record(histogram, factor * Math.exp(3 + 1.5 * normal()))
    return histogram
  }
  const statistics = {
    mean: (h: ReturnType<typeof createHistogram>) => h.sum / h.count,
    p95: (h: ReturnType<typeof createHistogram>) => percentile(h, 0.95)!,
    "geometric mean": (h: ReturnType<typeof createHistogram>) => geometricMean(h)!,
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!
  const rounds = 400
  const rates = Object.fromEntries(Object.keys(statistics).map((name) => [name, { wolf: 0, heard: 0 }]))
  for (let round = 0; round < rounds; round++) {
    const past = Array.from({ length: 14 }, () => windowOf(100, 1))
    const [same, slower] = [windowOf(100, 1), windowOf(100, 3)]
    for (const [name, of] of Object.entries(statistics)) {
      const base = median(past.map(of))
      if (of(same) > 2 * base) rates[name]!.wolf++
      if (of(slower) > 2 * base) rates[name]!.heard++
    }
  }
  console.log(`regression statistics, seed ${seed}: ${JSON.stringify(rates)} of ${rounds}`)
  expect(rates["geometric mean"]!.wolf).toBeLessThanOrEqual(rounds * 0.01)
  expect(rates["geometric mean"]!.heard).toBeGreaterThan(rounds * 0.95)
  expect(rates.p95!.wolf + rates.mean!.wolf).toBeGreaterThan(rates["geometric mean"]!.wolf)
})

test("an hour is kept as its middle and its percentile", () => {
  const histogram = createHistogram()
  expect(hourOf(start, histogram)).toBeNull()
  for (let n = 0; n < 100; n++) record(histogram, n < 90 ? 10 : 1000)
  const past = hourOf(start, histogram)!
  expect(past).toMatchObject({ at: start, n: 100 })
  expect(past.middle).toBeCloseTo(10 * 100 ** 0.1, 0)
  expect(past.p95).toBeGreaterThan(900)
})

eachServer("what watching learned", (target) => {
  let database: Database
  let clock: TestClock
  const text = "select * from film where id = 1"

  beforeAll(async () => {
    await target.sql.exec(
      "create table film (id int primary key, title text); insert into film select n, 'f' || n from generate_series(1, 1000) n; analyze film",
    )
    database = openDatabase(target.source)
    clock = testClock(start)
  })
  afterAll(() => database.close())

  const process_ = (): Monitor => {
    const { service } = createMonitor(
      {
        clock,
        eventLoopDelay: false,
        logger: false,
        server: false,
        plans: { every: 0 },
        history: true,
        alerts: [
          { type: "regression", for: 0, action: "log" },
          { type: "new_heavy_query", for: 0 },
          { type: "error_rate", for: 0 },
        ],
      },
      monitorPorts(database),
    )
    service.history.start()
    return service
  }
  /** A minute of calls, ended as the timer ends it. */
  const minute = async (monitor: Monitor, ms: number, calls = 30, error: string | null = null, of = text) => {
    for (let n = 0; n < calls; n++) monitor.recorder.record(of, ms, 0, ms, 0, 1, -1, error, null, "statement", null)
    await monitor.ready()
    clock.advance(60_000)
    monitor.recorder.roll()
    await monitor.history.flush()
    await monitor.watch.evaluate()
  }

  test("without the tables it says so, and watches on", async () => {
    const monitor = process_()
    await minute(monitor, 10)
    expect(monitor.history.lastError).toMatchObject({ sqlState: expect.stringMatching(/^(42P01|3F000)$/) })
    expect(monitor.health().judgedAt).not.toBeNull()
    await monitor.close()
  })

  test("baselines survive a restart: a new process tells what is slower than its predecessor's past within minutes", async () => {
    const first = process_()
    await first.history.install()
    await first.history.install()
    clock.advance(600_000)
    for (let hours = 0; hours < 7; hours++) {
      for (let n = 0; n < 4; n++) await minute(first, 50)
      clock.advance(56 * 60_000)
    }
    await first.history.tidy()
    await first.close()
    const second = process_()
    for (let n = 0; n < 3; n++) await minute(second, 51)
    expect(second.alerts()).toEqual([])
    for (let n = 0; n < 10; n++) await minute(second, 160)
    expect(second.alerts()).toMatchObject([
      {
        type: "regression",
        state: "firing",
        fingerprint: await fingerprint(text),
        summary: expect.stringMatching(/SELECT film .* takes 1\d\d ms, 3(\.\d)? times its usual 5\d ms .*past hours/),
      },
    ])
    await second.close()
  })

  test("an alert outlives its process: the next one goes on with it, and tells its end", async () => {
    const told: string[] = []
    const third = process_()
    third.on("alert", ({ type, state }) => told.push(`${type} ${state}`))
    await minute(third, 160)
    // Not told again: it is the same.
    expect(told).toEqual([])
    expect(third.alerts()).toMatchObject([{ type: "regression", state: "firing" }])
    for (let n = 0; n < 75; n++) await minute(third, 50, 10)
    expect(told).toEqual(["regression resolved"])
    const { rows } = await target.sql.query("select type, resolved_at is not null as over from selecto.monitor_alert")
    expect(rows).toEqual([{ type: "regression", over: true }])
    await third.close()
  })

  test("what is new is told at once by a process that knows the past", async () => {
    // The database's clock is not the test's.
    await target.sql.exec("update selecto.monitor_statement set first_seen = '2026-01-20 12:00'")
    const fourth = process_()
    for (let n = 0; n < 3; n++) await minute(fourth, 50, 300)
    expect(fourth.alerts()).toEqual([])
    for (let n = 0; n < 3; n++) await minute(fourth, 50, 100, null, "select title from film where title = 'new'")
    expect(fourth.alerts()).toMatchObject([{ type: "new_heavy_query", severity: "info" }])
    await fourth.close()
  })

  test("shapes of plans are known over a restart", async () => {
    const key = await fingerprint(text)
    const fifth = process_()
    await minute(fifth, 50)
    await fifth.watch.sampler!.sampleText(key, text)
    await fifth.watch.evaluate()
    expect(fifth.plans(key).shapes).toHaveLength(1)
    await fifth.close()
    const sixth = process_()
    await minute(sixth, 50)
    expect(sixth.plans(key)).toMatchObject({ latest: null, shapes: [{ samples: 1, shape: expect.stringContaining("film") }] })
    await sixth.close()
    const { rows } = await target.sql.query("select shape from selecto.monitor_plan")
    expect(JSON.stringify(rows)).not.toMatch(/\d{3}/)
  })

  test("everything can be taken away again", async () => {
    const last = process_()
    await last.history.uninstall()
    const { rows } = await target.sql.query(
      "select relname from pg_class where relnamespace = to_regnamespace('selecto') and relkind in ('r', 'p')",
    )
    expect(rows).toEqual([])
    await last.close()
  })
})
