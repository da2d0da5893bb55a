import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import {
  bindIdentity,
  changedSince,
  currentMark,
  drift,
  identity,
  pruneLog,
  syncTracking,
  track,
  trackingStatus,
} from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { type RunningServer, startServer, startStandby, urlOf } from "../support/server.ts"
import { serverMissing, serverVersions, skips } from "../support/servers.ts"
import { asAdmin } from "../support/test-database.ts"
import { oidOf, until } from "./support.ts"

const schema = `
create table orders (id int primary key, n int);
create table items (id int) partition by list (id);
create table items_1 partition of items for values in (1);
create materialized view totals as select sum(n) from orders;
`
const query = (database: Database, text: string): Promise<unknown> => database.query({ text, values: [] })

eachServer("identity", (target) => {
  test("names the system, the timeline, the database and the start", async () => {
    const database = openDatabase(target.source)
    try {
      const one = await identity(database)
      expect(one.systemIdentifier).toMatch(/^\d{15,}$/)
      expect(one).toMatchObject({ timeline: "00000001", standby: false })
      expect(one.startedAt.getTime()).toBeLessThanOrEqual(Date.now())
      expect(await identity(database)).toEqual(one)
    } finally {
      await database.close()
    }
  })
})

eachServer(
  "a database that was carried elsewhere",
  (target) => {
    const pgDump = "/usr/lib/postgresql/15/bin/pg_dump"
    let database: Database
    const copies: Database[] = []
    const names: string[] = []
    const copyOf = async (make: (name: string) => Promise<void>): Promise<Database> => {
      const name = `${target.server.name}_copy${names.length}`
      names.push(name)
      await make(name)
      const copy = openDatabase(urlOf(target.server.server, name))
      copies.push(copy)
      return copy
    }

    beforeAll(async () => {
      await target.sql.exec(schema)
      database = openDatabase(target.source)
      await track(database, [{ table: "orders", keys: ["n"] }, "items", "totals"], { notify: true })
      await target.sql.exec("insert into orders values (1, 1)")
    })
    afterAll(async () => {
      await database.close()
      await Promise.all(copies.map((copy) => copy.close()))
      await asAdmin(target.server.server, async (admin) => {
        for (const name of names) await admin.query(`drop database if exists ${name} with (force)`)
      })
    })

    /** In a copy nothing derived before is valid; after one sync everything works, under the names that there were. */
    const isBoundAnew = async (copy: Database, mark: string | null): Promise<void> => {
      expect(await changedSince(copy, [await oidOf(copy, "orders")], mark)).toBe(true)
      expect((await syncTracking(copy)).moved).toBe(true)
      expect((await syncTracking(copy)).moved).toBe(false)
      expect(await drift(copy)).toEqual([])
      const orders = await oidOf(copy, "orders")
      expect(await changedSince(copy, [orders], mark)).toBe(true)
      const { relations } = await trackingStatus(copy)
      expect(relations.map(({ name, blind, members }) => [name, blind, members])).toEqual([
        ["items", null, 2],
        ["orders", null, 1],
        ["totals", null, 1],
      ])
      for (const [table, write] of [
        ["orders", "insert into orders values (77, 1)"],
        ["items", "insert into items_1 values (1)"],
      ] as const) {
        const [oid, now] = [await oidOf(copy, table), await currentMark(copy)]
        expect(await changedSince(copy, [oid], now)).toBe(false)
        await query(copy, write)
        expect(await changedSince(copy, [oid], now)).toBe(true)
      }
      const { rows } = await copy.query<{ n: number }>({
        text: "select count(*)::int as n from pg_trigger where tgname like 'selecto%'",
        values: [],
      })
      expect(rows).toEqual([{ n: 9 }])
    }

    test("by CREATE DATABASE … TEMPLATE", async () => {
      const mark = await currentMark(database)
      await database.close()
      const copy = await copyOf(async (name) => {
        await asAdmin(target.server.server, async (admin) => {
          await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [target.server.name])
          for (let attempt = 0; ; attempt++) {
            try {
              await admin.query(`create database ${name} template ${target.server.name}`)
              return
            } catch (error) {
              if (attempt === 50) throw error
              await admin.query("select pg_sleep(0.1)")
            }
          }
        })
      })
      database = openDatabase(target.source)
      expect(await bindIdentity(database)).toBe(false)
      // Until it is bound, the copy is what it was when it was taken.
      expect(await bindIdentity(copy)).toBe(true)
      await isBoundAnewAfterBinding(copy, mark)
    })

    const isBoundAnewAfterBinding = async (copy: Database, mark: string | null): Promise<void> => {
      expect(await changedSince(copy, [await oidOf(copy, "orders")], mark)).toBe(true)
      await syncTracking(copy)
      expect(await drift(copy)).toEqual([])
      const [oid, now] = [await oidOf(copy, "orders"), await currentMark(copy)]
      expect(await changedSince(copy, [oid], now)).toBe(false)
      await query(copy, "insert into orders values (55, 5)")
      expect(await changedSince(copy, [oid], now)).toBe(true)
      expect(await changedSince(database, [await oidOf(database, "orders")], await currentMark(database))).toBe(false)
    }

    test("by pg_dump, where oids are others", async ({ skip }) => {
      if (target.version !== 15 || skips(existsSync(pgDump) ? null : "pg_dump of PostgreSQL 15 is not installed"))
        return skip("pg_dump of this version is not installed")
      const [mark, mine] = [await currentMark(database), await oidOf(database, "orders")]
      const dump = spawnSync(pgDump, [target.server.url], { encoding: "utf8" })
      expect(dump.stderr).toBe("")
      const copy = await copyOf(async (name) => {
        await asAdmin(target.server.server, async (admin) => {
          await admin.query(`create database ${name} template template0`)
        })
        const client = new pg.Client({ connectionString: urlOf(target.server.server, name) })
        await client.connect()
        // Other tables first, so that oids differ.
        await client.query("create table stuffing (id int primary key, note text)")
        await client.end()
        const psql = spawnSync(
          "/usr/lib/postgresql/15/bin/psql",
          ["-q", "-v", "ON_ERROR_STOP=1", urlOf(target.server.server, name)],
          {
            input: dump.stdout,
            encoding: "utf8",
          },
        )
        expect(psql.stderr).toBe("")
      })
      expect(await oidOf(copy, "orders")).not.toBe(mine)
      await isBoundAnew(copy, mark)
    })

    test("a state that another system bound", async () => {
      const [oid, mark] = [await oidOf(database, "orders"), await currentMark(database)]
      expect(await changedSince(database, [oid], mark)).toBe(false)
      await query(database, "update selecto.changes_state set system_identifier = '1234567890123456789'")
      expect((await syncTracking(database)).moved).toBe(true)
      expect(await changedSince(database, [oid], mark)).toBe(true)
      expect(await changedSince(database, [oid], await currentMark(database))).toBe(false)
    })
  },
  { pglite: false },
)

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`a standby and a fail-over on PostgreSQL ${version}`, () => {
    let primary: RunningServer
    let standby: RunningServer
    let first: Database
    let second: Database
    beforeAll(async () => {
      primary = await startServer(version)
      first = openDatabase(urlOf(primary, "postgres"))
      await query(first, "create table orders (id int primary key, n int)")
      await query(first, "create table untracked (id int)")
      await track(first, ["orders"])
      standby = await startStandby(primary)
      second = openDatabase(urlOf(standby, "postgres"))
    })
    afterAll(async () => {
      await first?.close()
      await second?.close()
      await standby?.stop()
      await primary?.stop()
    })

    test("a standby refuses to be installed on, with the reason, and answers nothing but changed", async () => {
      expect(await identity(second)).toEqual({
        ...(await identity(first)),
        startedAt: expect.any(Date),
        standby: true,
      })
      await until("the standby to follow", async () => (await trackingStatus(second)).installed)
      const oid = await oidOf(second, "orders")
      expect(await currentMark(second)).toBeNull()
      const mark = await currentMark(first)
      expect(await changedSince(first, [oid], mark)).toBe(false)
      expect(await changedSince(second, [oid], mark)).toBe(true)
      expect((await trackingStatus(second)).relations).toMatchObject([{ name: "orders" }])
      for (const attempt of [() => track(second, ["untracked"]), () => syncTracking(second), () => pruneLog(second, { keep: 0 })])
        await expect(attempt()).rejects.toMatchObject({ code: "E_READ_ONLY", message: expect.stringContaining("primary") })
    })

    test("after a promotion everything derived before is stale, commits that were lost or not", async () => {
      const oid = await oidOf(first, "orders")
      const early = await currentMark(first)
      await until("the standby to catch up", async () => {
        const [here] = (await first.queryText({ text: "select pg_current_wal_flush_lsn()", values: [] })).rows
        const [there] = (await second.queryText({ text: "select pg_last_wal_replay_lsn() >= $1::pg_lsn", values: here! })).rows
        return there![0] === "t"
      })
      // What the standby does not see is lost.
      await second.query({ text: "select pg_wal_replay_pause()", values: [] })
      await query(first, "insert into orders values (1, 1)")
      const late = await currentMark(first)
      expect(await changedSince(first, [oid], late)).toBe(false)
      await second.query({ text: "select pg_promote(true, 60)", values: [] })
      await until("the promotion", async () => !(await identity(second)).standby)
      expect(await identity(second)).toMatchObject({ timeline: "00000002", standby: false })
      expect((await identity(second)).systemIdentifier).toBe((await identity(first)).systemIdentifier)
      for (const mark of [early, late]) expect(await changedSince(second, [oid], mark)).toBe(true)
      const mark = await currentMark(second)
      expect(await changedSince(second, [oid], mark)).toBe(false)
      await query(second, "insert into orders values (2, 2)")
      expect(await changedSince(second, [oid], mark)).toBe(true)
      expect(await syncTracking(second)).toMatchObject({ failed: [] })
    })
  })
