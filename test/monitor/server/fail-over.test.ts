import { existsSync } from "node:fs"
import { describe, expect, onTestFinished, test } from "vitest"
import { openDatabase } from "../../../src/database/open.ts"
import { fingerprint } from "../../../src/sql/index.ts"
import { startGate } from "../../support/gate.ts"
import { startServer, startStandby, urlOf } from "../../support/server.ts"
import { skips } from "../../support/servers.ts"
import { asAdmin } from "../../support/test-database.ts"
import { watched } from "../watched.ts"

const missing = existsSync("/usr/lib/postgresql/15/bin/pg_basebackup")
  ? null
  : "a standby: pg_basebackup of PostgreSQL 15 is not installed"

describe.skipIf(skips(missing))("a primary and its standby", () => {
  test("lag and slots are seen from both sides, and a fail-over makes no figure up", { timeout: 240_000 }, async () => {
    const primary = await startServer(15)
    onTestFinished(() => primary.stop())
    await asAdmin(primary, async (admin) => {
      await admin.query("create extension pg_stat_statements")
      await admin.query("create table film as select n as id from generate_series(1, 1000) n")
    })
    const standby = await startStandby(primary, "standby-1")
    onTestFinished(() => standby.stop())
    const gate = await startGate(primary)
    onTestFinished(() => gate.close())

    // The standby serves too, and has counted calls that nobody watched.
    const text = "select count(*) from film where id > 5"
    await asAdmin(standby, async (admin) => {
      for (let n = 0; n < 5000; n++) await admin.query(text)
    })
    const run = (server: typeof primary, calls: number) =>
      asAdmin(server, async (admin) => {
        for (let n = 0; n < calls; n++) await admin.query(text)
      })
    const database = openDatabase(`postgresql://postgres@127.0.0.1:${gate.port}/postgres`)
    const one = watched(database, { alerts: [{ type: "replication_lag", threshold: 1, for: 0 }], alertTimes: { clear: 0 } })
    onTestFinished(async () => {
      await one.monitor.close()
      await database.close()
    })
    const other = openDatabase(urlOf(standby, "postgres"))
    const there = watched(other)
    onTestFinished(() => other.close())

    await expect
      .poll(async () => {
        await one.judge()
        return one.monitor.server()!.replication!.standbys
      })
      .toMatchObject([{ name: "standby-1", state: "streaming" }])
    // On a standby there is no lock that it could not take, and nothing that it would write.
    await there.round()
    expect(there.monitor.health().collector).toMatchObject({ state: "collecting", missed: 0 })
    expect(there.monitor.server()).toMatchObject({ server: { standby: true }, replication: { lagMs: expect.any(Number) } })

    // It would go on collecting there, as the one collector of that server.
    await there.monitor.close()

    // Replay is held up: the standby falls behind.
    await asAdmin(standby, (admin) => admin.query("select pg_wal_replay_pause()"))
    await asAdmin(primary, (admin) => admin.query("insert into film select generate_series(1, 1000)"))
    const firing = () => one.monitor.alerts().filter(({ state }) => state === "firing")
    await expect
      .poll(async () => {
        await asAdmin(primary, (admin) => admin.query("insert into film values (1)"))
        await one.judge()
        return one.monitor.server()!.replication!.standbys[0]!.lagBytes
      })
      .toBeGreaterThan(0)
    await asAdmin(standby, (admin) => admin.query("select pg_wal_replay_resume()"))
    await expect
      .poll(async () => {
        await one.judge()
        return one.monitor.server()!.replication!.standbys[0]!.lagMs
      })
      .toBe(0)
    expect(firing()).toEqual([])

    await run(primary, 10)
    await one.round()
    await run(primary, 4)
    await one.round()
    const wanted = await fingerprint(text)
    const calls = () => one.monitor.server()!.statements!.find((statement) => statement.fingerprint === wanted)?.calls ?? 0
    const before = calls()
    expect(before).toBeGreaterThanOrEqual(4)

    // The primary is gone, the standby is promoted, and the address leads to it.
    await primary.stop()
    await asAdmin(standby, (admin) => admin.query("select pg_promote(true)"))
    gate.lead(standby)
    await one.round()
    expect(one.monitor.health().collector).toMatchObject({ state: "collecting", missed: 0 })
    expect(one.monitor.server()).toMatchObject({ server: { standby: false }, coverage: { restarts: 1 } })
    await run(standby, 3)
    await one.round()
    expect(calls()).toBe(before + 3)
  })
})
