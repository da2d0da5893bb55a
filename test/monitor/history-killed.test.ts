import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { expect, onTestFinished, test, vi } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { History } from "../../src/monitor/history.ts"
import { createMonitor } from "../../src/monitor/index.ts"
import { eachServer } from "../support/each-server.ts"
import { testClock } from "./clock.ts"

const register = fileURLToPath(new URL("../support/register.mjs", import.meta.url))
const writer = fileURLToPath(new URL("killed-writer.ts", import.meta.url))
const statementsPerMinute = 3

eachServer(
  "a process that is killed while it writes history",
  (target) => {
    test("leaves whole minutes, no lock, and nothing that its successor trips over", { timeout: 120_000 }, async () => {
      const database = openDatabase(target.source)
      onTestFinished(() => database.close())
      const clock = testClock(Date.UTC(2026, 0, 1, 12, 0, 30))
      const { service: monitor } = createMonitor({ eventLoopDelay: false, clock })
      onTestFinished(() => monitor.close())
      const history = new History(database, monitor, { source: "successor" })
      await history.install()
      const [admin, holder] = [await target.server.client(), await target.server.client()]
      const numberOf = async (text: string): Promise<number> => (await admin.query<{ n: number }>(text)).rows[0]!.n
      const minutes = "select count(distinct at)::int as n from selecto.monitor_minute where source = 'killed'"
      const its = `select count(*)::int as n from pg_stat_activity
        where datname = current_database() and application_name = 'killed writer'`
      const waiting = `select count(*)::int as n from pg_stat_activity
        where datname = current_database() and query like 'insert into selecto.monitor_statement %' and wait_event_type = 'Lock'`

      const child = spawn(process.execPath, ["--import", register, writer, target.server.url, "killed"], { stdio: "inherit" })
      onTestFinished(() => void child.kill("SIGKILL"))
      await vi.waitUntil(async () => (await numberOf(minutes)) >= 5, { timeout: 60_000 })
      // Its minute is inserted and not committed: the statement after it waits.
      await holder.query("begin; lock table selecto.monitor_statement in exclusive mode")
      await vi.waitUntil(async () => (await numberOf(waiting)) === 1, { timeout: 60_000 })
      const { rows: uncommitted } = await admin.query(
        `select 1 from pg_locks where relation = 'selecto.monitor_minute'::regclass and mode = 'RowExclusiveLock'`,
      )
      expect(uncommitted).toHaveLength(1)
      const before = await numberOf(minutes)
      const ended = once(child, "exit")
      child.kill("SIGKILL")
      await ended
      await holder.query("rollback")
      await vi.waitUntil(async () => (await numberOf(its)) === 0, { timeout: 60_000 })

      expect(await numberOf(minutes)).toBe(before)
      const { rows: torn } = await admin.query(
        "select at from selecto.monitor_minute where source = 'killed' group by at having count(*) <> $1",
        [statementsPerMinute],
      )
      expect(torn).toEqual([])
      const held = `select count(*)::int as n from pg_locks where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())`
      expect(await numberOf(held)).toBe(0)

      // The next process writes the same minute again, and sums up what is there.
      history.start()
      monitor.recorder.record("select * from a", 1, 0, 1, 0, 1, -1, null, null, "statement", null)
      await monitor.ready()
      clock.advance(60_000)
      monitor.recorder.roll()
      await history.flush()
      expect(history.lastError).toBeNull()
      const { fingerprint } = monitor.metrics()[0]!
      const all = await history.read(fingerprint, new Date(Date.UTC(2026, 0, 1)), new Date(Date.UTC(2026, 0, 3)), "day")
      expect(all.reduce((sum, { calls }) => sum + calls, 0)).toBe(before + 1)
    })
  },
  { pglite: false },
)
