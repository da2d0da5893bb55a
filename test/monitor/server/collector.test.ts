import pg from "pg"
import { afterEach, describe, expect, onTestFinished, test } from "vitest"
import type { Database } from "../../../src/database/database.ts"
import { openDatabase } from "../../../src/database/open.ts"
import { fingerprint } from "../../../src/sql/index.ts"
import { eachServer } from "../../support/each-server.ts"
import { startGate } from "../../support/gate.ts"
import { pgbouncerMissing, startPgbouncer } from "../../support/pgbouncer.ts"
import { type RunningServer, startServer, urlOf } from "../../support/server.ts"
import { serverMissing } from "../../support/servers.ts"
import { asAdmin } from "../../support/test-database.ts"
import { type Watched, watched } from "../watched.ts"

const open: { monitor: Watched["monitor"]; database: Database }[] = []

/** A process that watches: a pool and a monitor of its own. */
function process_(source: string | object, options: Parameters<typeof watched>[1] = {}): Watched {
  const database = openDatabase(source, { applicationName: "shop" })
  const one = watched(database, options)
  open.push({ monitor: one.monitor, database })
  return one
}

afterEach(async () => {
  for (const { monitor, database } of open.splice(0)) {
    await monitor.close()
    await database.close()
  }
})

const stateOf = (one: Watched) => one.monitor.health().collector!.state
const callsOf = async (one: Watched, text: string) => {
  const wanted = await fingerprint(text)
  return one.monitor.server()?.statements?.find((statement) => statement.fingerprint === wanted)?.calls ?? 0
}

eachServer(
  "the collector",
  (target) => {
    test("of several processes one collects; another takes over when it leaves, and says who does meanwhile", async () => {
      const [first, second, third] = [process_(target.source), process_(target.source), process_(target.source)]
      for (const one of [first, second, third]) await one.round()
      expect([first, second, third].map(stateOf)).toEqual(["collecting", "standby", "standby"])
      const { other } = second.monitor.health().collector!
      expect(other).toMatchObject({ application: "shop" })
      expect(second.monitor.server()).toBeNull()
      const { rows } = await target.sql.query("select count(*)::int as n from pg_stat_activity where pid = $1", [other!.pid])
      expect(rows).toEqual([{ n: 1 }])
      await first.monitor.close()
      await second.round()
      await third.round()
      expect([second, third].map(stateOf)).toEqual(["collecting", "standby"])
      expect(second.monitor.server()).not.toBeNull()
    })

    test("whose session is ended collects on with another, or is followed by another process", async () => {
      const [first, second] = [process_(target.source), process_(target.source)]
      await first.round()
      await second.round()
      await target.sql.query("select pg_terminate_backend($1)", [second.monitor.health().collector!.other!.pid])
      await first.round()
      expect(first.monitor.health().collector).toMatchObject({ state: "collecting", missed: 0, lastError: null })
      await second.round()
      expect(stateOf(second)).toBe("standby")
    })

    test("exclusive: false asks whatever others do", async () => {
      const [first, second] = [process_(target.source), process_(target.source, { server: { exclusive: false } })]
      await first.round()
      await second.round()
      expect([first, second].map(stateOf)).toEqual(["collecting", "collecting"])
    })

    test("a pool of one connection is not held", async () => {
      const pool = new pg.Pool({ connectionString: target.server.url, max: 1 })
      onTestFinished(() => pool.end())
      const one = process_(pool)
      await one.round()
      expect(stateOf(one)).toBe("collecting")
      expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }])
      // Nor does the collector wait for itself: the upkeep of indexes goes through the pool.
      await one.monitor.watch.collector!.settled()
      expect(one.monitor.server()!.upkeep).toMatchObject({ duplicates: [], invalid: [] })
    })

    test("without the extension the rest is there, and it is said what to do; made meanwhile, it is found", async () => {
      const one = process_(target.source)
      await one.round()
      expect(one.monitor.server()).toMatchObject({ statements: null, connections: { here: expect.any(Number) } })
      expect(one.monitor.server()!.gaps).toContainEqual(
        expect.objectContaining({ what: "statements", remedy: "CREATE EXTENSION pg_stat_statements" }),
      )
      await target.sql.exec("create schema stats; create extension pg_stat_statements schema stats")
      await one.round()
      await one.round()
      expect(one.monitor.server()!.statements).not.toBeNull()
      expect(one.monitor.server()!.gaps.map(({ what }) => what)).not.toContain("statements")
    })

    test("an extension older than the server is read as it is; updated meanwhile, nothing is counted twice", async () => {
      await target.sql.exec("drop extension pg_stat_statements; create extension pg_stat_statements schema stats version '1.8'")
      const one = process_(target.source)
      const text = "select 'old' as old, generate_series(1, 3)"
      for (let n = 0; n < 50; n++) await target.sql.query(text)
      await one.round()
      for (let n = 0; n < 4; n++) await target.sql.query(text)
      await one.round()
      expect(await callsOf(one, text)).toBe(4)
      const updates = one.monitor.server()!.gaps.filter(({ remedy }) => remedy === "ALTER EXTENSION pg_stat_statements UPDATE")
      expect(updates).toHaveLength(target.version === 13 ? 0 : 1)
      await target.sql.exec("alter extension pg_stat_statements update")
      for (let n = 0; n < 2; n++) await target.sql.query(text)
      // The old columns may still be asked for, or the question fails: either way the round after knows.
      for (let n = 0; n < 3; n++) await one.round()
      expect(await callsOf(one, text)).toBeLessThanOrEqual(6)
      await target.sql.query(text)
      await one.round()
      expect(await callsOf(one, text)).toBeLessThanOrEqual(7)
      expect(one.monitor.health().collector).toMatchObject({ state: "collecting", missed: 0 })
    })

    test("a role without rights: each gap names its GRANT, and no figure jumps when it is given", async () => {
      const role = `watcher_${target.server.name}`
      const text = "select 'seen by all' as what"
      await target.sql.exec(`create role ${role} login; create sequence numbers; select nextval('numbers')`)
      for (let n = 0; n < 30; n++) await target.sql.query(text)
      const one = process_(target.server.url.replace("postgres@", `${role}@`))
      await one.round()
      // The test before has put the extension into a schema of its own.
      const usage = one.monitor.server()!.gaps.find(({ what }) => what === "statements")
      expect(usage?.remedy).toMatch(new RegExp(`^GRANT USAGE ON SCHEMA stats TO ${role}; `))
      await target.sql.exec(usage!.remedy!)
      await one.round()
      const { gaps, coverage } = one.monitor.server()!
      expect(gaps).toContainEqual(
        expect.objectContaining({ what: expect.stringContaining("other roles"), remedy: `GRANT pg_read_all_stats TO ${role}` }),
      )
      expect(gaps).toContainEqual(
        expect.objectContaining({
          what: "1 of 1 sequences",
          remedy: `GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role}`,
        }),
      )
      expect(coverage.statements).toMatchObject({ complete: false })
      expect(coverage.statements!.hidden).toBeGreaterThan(0)
      for (const { remedy } of gaps) if (remedy?.startsWith("GRANT") === true) await target.sql.exec(remedy)
      await one.round()
      await one.round()
      expect(await callsOf(one, text)).toBe(0)
      await target.sql.query(text)
      await one.round()
      expect(await callsOf(one, text)).toBe(1)
      const after = one.monitor.server()!
      expect(after.gaps.map(({ remedy }) => remedy).filter((remedy) => remedy?.startsWith("GRANT"))).toEqual([])
      expect(after.sequences).toMatchObject([{ sequence: "numbers", last: 1 }])
      expect(after.coverage.statements!.hidden).toBe(0)
      await one.monitor.close()
      await target.sql.exec(`drop owned by ${role}; drop role ${role}`)
    })

    test("a wall clock that jumps changes no window", async () => {
      const one = process_(target.source)
      const text = "select 'clock' as clock"
      await target.sql.query(text)
      await one.round()
      await target.sql.query(text)
      await one.round()
      expect(await callsOf(one, text)).toBe(1)
      one.clock.jump(-86_400_000)
      await target.sql.query(text)
      await one.round()
      expect(await callsOf(one, text)).toBe(2)
      one.clock.jump(40 * 86_400_000)
      await target.sql.query(text)
      await one.round()
      expect(await callsOf(one, text)).toBe(3)
      expect(one.monitor.server()!.coverage).toMatchObject({ rounds: 4, covered: 180_000, restarts: 0 })
    })

    if (!pgbouncerMissing())
      test("behind a pooler nothing is held, and it is said that every process asks", async () => {
        const bouncer = await startPgbouncer(target.server.server, "transaction", 3)
        onTestFinished(() => bouncer.stop())
        const url = `postgresql://postgres@127.0.0.1:${bouncer.port}/${target.server.name}`
        const [first, second] = [process_(url), process_(url)]
        await first.round()
        await second.round()
        expect([first, second].map(stateOf)).toEqual(["collecting", "collecting"])
        expect(first.monitor.health().gaps.map(({ remedy }) => remedy)).toContain(
          "Give connect() the address past the pooler as directUrl.",
        )
        // A session of the test before may be on its way out.
        await expect
          .poll(async () => {
            const { rows } = await target.sql.query(
              "select count(*)::int as n from pg_locks l join pg_database d on d.oid = l.database where l.locktype = 'advisory' and d.datname = current_database()",
            )
            return rows
          })
          .toEqual([{ n: 0 }])
        for (const { monitor, database } of open.splice(0)) {
          await monitor.close()
          await database.close()
        }
      })
  },
  { pglite: false },
)

for (const version of [15, 18])
  describe.skipIf(serverMissing(version))(`a server that fails, PostgreSQL ${version}`, () => {
    const start = async (extra: Record<string, string> = {}): Promise<RunningServer> => {
      const server = await startServer(version, extra)
      onTestFinished(async () => {
        for (const { monitor, database } of open.splice(0)) {
          await monitor.close()
          await database.close()
        }
        await server.stop()
      })
      return server
    }

    test("a restart is one gap: what was counted before stays, and nothing is made up", async () => {
      const server = await start()
      await asAdmin(server, (admin) => admin.query("create extension pg_stat_statements"))
      const one = process_(urlOf(server, "postgres"))
      const text = "select 'restart' as restart"
      const run = (times: number) =>
        asAdmin(server, async (admin) => {
          for (let n = 0; n < times; n++) await admin.query(text)
        })
      await run(100)
      await one.round()
      await run(5)
      await one.round()
      await server.restart()
      await one.round()
      expect(one.monitor.health().collector).toMatchObject({ state: "collecting", missed: 0 })
      expect(one.monitor.server()!.coverage.restarts).toBe(1)
      await run(2)
      await one.round()
      expect(await callsOf(one, text)).toBe(7)
    })

    test("a crash takes the statistics with it: counters count from zero", async () => {
      const server = await start({ restart_after_crash: "on" })
      await asAdmin(server, (admin) => admin.query("create extension pg_stat_statements"))
      const one = process_(urlOf(server, "postgres"))
      const text = "select 'crash' as crash"
      const run = async (times: number) => {
        const client = new pg.Client({ connectionString: urlOf(server, "postgres") })
        client.on("error", () => {})
        await client.connect()
        for (let n = 0; n < times; n++) await client.query(text)
        await client.end()
      }
      await run(50)
      await one.round()
      // The servers of tests do not wait for the disk: without it the crash would take the extension too.
      await asAdmin(server, (admin) => admin.query("checkpoint"))
      const [victim, witness] = [0, 1].map(() => new pg.Client({ connectionString: urlOf(server, "postgres") })) as [
        pg.Client,
        pg.Client,
      ]
      for (const client of [victim, witness]) {
        client.on("error", () => {})
        await client.connect()
      }
      // The server ends everybody's session before it starts anew.
      const crashed = new Promise((resolve) => witness.once("end", resolve))
      const { rows } = await victim.query<{ pid: number }>("select pg_backend_pid() as pid")
      process.kill(rows[0]!.pid, "SIGKILL")
      await crashed
      await expect
        .poll(
          () =>
            run(3).then(
              () => true,
              () => false,
            ),
          { timeout: 30_000 },
        )
        .toBe(true)
      await one.round()
      expect(one.monitor.health().collector).toMatchObject({ missed: 0 })
      await run(2)
      await one.round()
      const calls = await callsOf(one, text)
      expect(calls).toBeGreaterThanOrEqual(2)
      expect(calls).toBeLessThanOrEqual(5)
    })

    test("statements forgotten for want of room are counted as a hole in the figures, and raise an alert", async () => {
      const server = await start({ "pg_stat_statements.max": "100" })
      await asAdmin(server, (admin) => admin.query("create extension pg_stat_statements"))
      const one = process_(urlOf(server, "postgres"), { alerts: [{ type: "statements_evicted", for: 0 }] })
      await one.judge()
      expect(one.monitor.alerts()).toEqual([])
      await asAdmin(server, async (admin) => {
        for (let n = 0; n < 300; n++) await admin.query(`select ${Array.from({ length: n + 1 }, () => "1").join(", ")}`)
      })
      await one.judge()
      const { statements } = one.monitor.server()!.coverage
      expect(statements).toMatchObject({ complete: false })
      expect(statements!.evictions).toBeGreaterThan(0)
      expect(one.monitor.alerts()).toMatchObject([{ type: "statements_evicted", state: "firing", severity: "info" }])
    })

    test("the extension's library is not loaded: the reason is the server's, the remedy ours", async () => {
      const server = await start({ shared_preload_libraries: "" })
      const one = process_(urlOf(server, "postgres"))
      for (const created of [false, true]) {
        if (created) await asAdmin(server, (admin) => admin.query("create extension pg_stat_statements"))
        await one.round()
        expect(stateOf(one)).toBe("collecting")
        expect(one.monitor.server()!.statements).toBeNull()
        expect(one.monitor.server()!.gaps).toContainEqual(
          expect.objectContaining({ what: "statements", remedy: expect.stringContaining("shared_preload_libraries") }),
        )
      }
    })

    test("a server that is gone is told after three rounds, and again when it is back", async () => {
      const server = await start()
      await asAdmin(server, (admin) => admin.query("create extension pg_stat_statements"))
      const gate = await startGate(server)
      onTestFinished(() => gate.close())
      const told: string[] = []
      const one = process_(`postgresql://postgres@127.0.0.1:${gate.port}/postgres`, { alerts: true, alertTimes: { clear: 0 } })
      one.monitor.on("alert", ({ type, state }) => told.push(`${type} ${state}`))
      await one.judge()
      await one.monitor.watch.collector!.settled()
      gate.shut()
      await one.judge()
      await one.judge()
      expect(one.monitor.health().collector).toMatchObject({ state: "failing", missed: 2, reachable: false })
      expect(told).toEqual([])
      await one.judge()
      expect(told).toEqual(["target_down firing"])
      // What only the server knows cannot be judged: nothing of it fires, and nothing is over.
      await one.judge()
      expect(one.monitor.health().blind).toContain("connections")
      gate.open()
      await one.judge()
      await one.judge()
      expect(told).toEqual(["target_down firing", "target_down resolved"])
      expect(one.monitor.health().blind).toEqual([])
    })
  })
