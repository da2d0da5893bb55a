import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { History } from "../../src/monitor/history.ts"
import { grains } from "../../src/monitor/history-schema.ts"
import { createMonitor, type Monitor } from "../../src/monitor/index.ts"
import { eachServer } from "../support/each-server.ts"
import { distributions, sampleOf } from "./distributions.ts"

const start = Date.UTC(2026, 0, 1, 12, 0, 30)

eachServer("the history", (target) => {
  const clock = { wall: start, monotonic: 1000 }
  let database: Database
  let monitor: Monitor
  let history: History

  const call = (of: Monitor, text: string, time: number, error: string | null = null): void =>
    of.recorder.record(text, time, 0.5, time, 0, 2, -1, error, null, "statement", null)
  const newMonitor = (): Monitor =>
    createMonitor({ eventLoopDelay: false, clock: { wall: () => clock.wall, monotonic: () => clock.monotonic } }).service
  const minute = (): void => {
    clock.wall += 60_000
    clock.monotonic += 60_000
  }
  const read = (grain: "minute" | "hour" | "day", of: string | null = null) =>
    history.read(of, new Date(start - 2 * 86_400_000), new Date(start + 500 * 86_400_000), grain)

  beforeAll(async () => {
    database = openDatabase(target.source)
    monitor = newMonitor()
    history = new History(database, monitor)
    await history.install()
    await history.install()
    history.start()
  })
  afterAll(async () => {
    await history.close()
    monitor.close()
    await database.close()
  })

  test("minutes are written, and sum up to hours and days without loss", async () => {
    const values = sampleOf(distributions.lognormal!, 600, 5)
    await monitor.ready()
    for (const [n, value] of values.entries()) {
      call(monitor, "select * from film", value, n % 100 === 0 ? "40001" : null)
      if (n % 60 === 59) {
        await monitor.ready()
        minute()
        monitor.recorder.roll()
        await history.flush()
      }
    }
    expect(history.lastError).toBeNull()
    const minutes = await read("minute")
    expect(minutes).toHaveLength(10)
    expect(minutes.every((point) => point.calls === 60)).toBe(true)
    const whole = monitor.metrics()[0]!
    await history.tidy()
    for (const grain of ["hour", "day"] as const) {
      const [point, ...rest] = await read(grain, whole.fingerprint)
      expect(rest).toEqual([])
      expect(point).toMatchObject({ calls: 600, rows: 1200, errors: { "40001": 6 } })
      const { avg, total, ...time } = whole.executionTime
      expect(point!.executionTime).toMatchObject(time)
      expect(point!.executionTime.total).toBeCloseTo(total, 6)
    }
    // Again, as after a crash: nothing is counted twice.
    await history.tidy()
    expect(await read("day", whole.fingerprint)).toMatchObject([{ calls: 600 }])
    const { rows } = await target.sql.query("select text, summary from selecto.monitor_statement")
    expect(rows).toEqual([{ text: "select * from film", summary: "SELECT film" }])
  })

  test("several processes write side by side and are read as one", async () => {
    const other = newMonitor()
    const second = new History(database, other)
    second.start()
    for (const one of [monitor, other]) {
      for (let n = 0; n < 5; n++) call(one, "select * from together", 10)
      await one.ready()
    }
    minute()
    monitor.recorder.roll()
    other.recorder.roll()
    await Promise.all([history.flush(), second.flush()])
    const { fingerprint } = other.metrics()[0]!
    expect(await read("minute", fingerprint)).toMatchObject([{ calls: 10, executionTime: { count: 10 } }])
    await second.close()
    other.close()
  })

  test("a database that does not take them: records wait, the oldest are dropped and counted, calls go on", async () => {
    const gone = newMonitor()
    const refusing = { ...database, acquire: () => Promise.reject(new Error("gone")) } as Database
    const small = new History(refusing, gone, { maxPending: 3 })
    small.start()
    for (let n = 0; n < 5; n++) {
      call(gone, "select * from lost", 1)
      await gone.ready()
      minute()
      gone.recorder.roll()
      await small.flush()
    }
    expect(small.lastError).toMatchObject({ message: "gone" })
    expect(small.pending).toBe(3)
    expect(gone.health().historyDropped).toBe(2)
    expect(gone.metrics()[0]!.calls).toBe(5)
    await small.close()
    gone.close()
  })

  test("a write that is cut off leaves whole minutes or none", async () => {
    const cut = newMonitor()
    const failing: Database = Object.create(database, {
      acquire: {
        value: async () => {
          const session = await database.acquire()
          return Object.create(session, {
            query: {
              value: (statement: { text: string }, options: object) =>
                statement.text.startsWith("insert into selecto.monitor_statement")
                  ? Promise.reject(new Error("killed"))
                  : session.query(statement as never, options),
            },
            batch: { value: (statements: never, options: object) => session.batch(statements, options) },
            release: { value: (destroy?: boolean) => session.release(destroy) },
          })
        },
      },
    })
    const broken = new History(failing, cut)
    broken.start()
    call(cut, "select * from half", 1)
    await cut.ready()
    minute()
    cut.recorder.roll()
    await broken.flush()
    expect(broken.lastError).toMatchObject({ message: "killed" })
    const { fingerprint } = cut.metrics()[0]!
    expect(await read("minute", fingerprint)).toEqual([])
    expect(broken.pending).toBe(1)
    await broken.close()
    cut.close()
  })

  test("partitions that are too old are dropped", async () => {
    const names = async () => {
      const { rows } = await target.sql.query(
        "select relname as name from pg_class where relname like 'monitor_minute_2%' and relkind = 'r'",
      )
      return rows.map((row) => row.name)
    }
    expect(await names()).toContain("monitor_minute_20260101")
    clock.wall += 5 * 86_400_000
    call(monitor, "select * from film", 1)
    minute()
    monitor.recorder.roll()
    await history.flush()
    expect(history.lastError).toBeNull()
    expect(await names()).toEqual(["monitor_minute_20260106"])
    expect(await read("day")).not.toHaveLength(0)
  })

  test("uninstalling leaves nothing", async () => {
    await history.uninstall()
    const { rows } = await target.sql.query(
      "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where nspname = 'selecto'",
    )
    expect(rows).toEqual([])
    expect(grains).toHaveLength(3)
  })
})
