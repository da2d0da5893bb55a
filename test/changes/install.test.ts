import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  changedSince,
  changesComponent,
  currentMark,
  drift,
  installedVersions,
  migrate,
  syncTracking,
  track,
  trackingStatus,
  untrack,
} from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { pgbouncerMissing, startPgbouncer } from "../support/pgbouncer.ts"
import { changes, oidOf, pidOf, relied, until, waits } from "./support.ts"

const triggerCount = "select count(*)::int as n from pg_trigger where tgname like 'selecto\\_%'"

/** Another process that installs; gives its exit code. */
function installer(url: string, tables: readonly string[]): { readonly ended: Promise<number | null>; kill(): void } {
  const child = fork(fileURLToPath(new URL("install-process.ts", import.meta.url)), [url, ...tables], {
    execArgv: ["--import", new URL("../support/register.mjs", import.meta.url).href],
    stdio: "inherit",
  })
  return { ended: new Promise((resolve) => child.once("exit", resolve)), kill: () => child.kill("SIGKILL") }
}

eachServer("installing", (target) => {
  let database: Database
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)
  beforeAll(() => {
    database = openDatabase(target.source)
  })
  afterAll(() => database.close())

  test("migrations run once, in order, and a later version keeps what an earlier one made", async () => {
    const first = {
      name: "one",
      statements: ["create table selecto.demo_item (id int)", "insert into selecto.demo_item values (7)"],
    }
    const second = { name: "two", statements: ["alter table selecto.demo_item add column note text default 'old'"] }
    const third = { name: "three", statements: ["create index demo_item_note on selecto.demo_item (note)"] }
    expect(await installedVersions(database)).toEqual(new Map())
    expect(await migrate(database, [{ name: "demo", migrations: [first] }])).toEqual([{ component: "demo", from: 0, to: 1 }])
    expect(await migrate(database, [{ name: "demo", migrations: [first] }])).toEqual([])
    expect(await migrate(database, [{ name: "demo", migrations: [first, second, third] }])).toEqual([
      { component: "demo", from: 1, to: 3 },
    ])
    expect((await target.sql.query("select id, note from selecto.demo_item")).rows).toEqual([{ id: 7, note: "old" }])
    expect(
      (await target.sql.query("select version, name from selecto.migration where component = 'demo' order by 1")).rows,
    ).toEqual(["one", "two", "three"].map((name, index) => ({ version: index + 1, name })))
    // An older library beside it.
    await expect(migrate(database, [{ name: "demo", migrations: [first] }])).rejects.toMatchObject({
      code: "E_STATE_NEWER",
      path: "demo",
    })
    await expect(migrate(database, [changesComponent, { name: "demo", migrations: [first] }])).rejects.toMatchObject({
      code: "E_STATE_NEWER",
    })
    expect((await installedVersions(database)).get("changes")).toBeUndefined()
  })

  test("a migration that fails leaves nothing of itself", async () => {
    const broken = { name: "broken", statements: ["create table selecto.broken_item (id int)", "select 1 / 0"] }
    await expect(migrate(database, [{ name: "broken", migrations: [broken] }])).rejects.toMatchObject({ code: "E_DATABASE" })
    expect((await installedVersions(database)).has("broken")).toBe(false)
    expect((await target.sql.query("select to_regclass('selecto.broken_item') as it")).rows).toEqual([{ it: null }])
  })

  test("names with quotes, dots, unicode and 63 bytes", async () => {
    const names = ['Weird "name"', "données", "a.b", "x".repeat(63), "select", "日本語の表", "tab\tle", "Ünïcödé".repeat(4)]
    await sql('create schema "My ""schema"""')
    for (const name of names) {
      await target.sql.query(`create table "${name.replaceAll('"', '""')}" ("kéy ""c""" int, v int)`)
      await track(database, [{ table: name, keys: ['kéy "c"'] }], { notify: true })
      const quoted = `"${name.replaceAll('"', '""')}"`
      expect([name, await changes(database, quoted, () => sql(`insert into ${quoted} values (1)`))]).toEqual([name, true])
      expect([name, await changes(database, quoted, async () => {})]).toEqual([name, false])
    }
    await sql('create table "My ""schema"""."My table" (id int); create table "My ""schema"""."orders" (id int)')
    await track(database, [{ schema: 'My "schema"', name: "My table" }, '"My ""schema""".orders'])
    expect((await trackingStatus(database)).relations.map(({ name }) => name).sort()).toEqual(
      [...names, "My table", "orders"].sort(),
    )
    await untrack(database)
    expect((await target.sql.query(triggerCount)).rows).toEqual([{ n: 0 }])
    expect((await trackingStatus(database)).relations).toEqual([])
  })

  test("what is not there, or cannot be tracked, is refused with the reason and nothing half done", async () => {
    await sql(`create table good (id int); create view looks as select * from good; create unlogged table fast (id int);
      create temporary table brief (id int); create table halves (id int) partition by list (id);
      create unlogged table halves_1 partition of halves for values in (1)`)
    await expect(track(database, ["good", "goot"])).rejects.toMatchObject({ code: "E_UNKNOWN_TABLE", suggestions: ["good"] })
    await expect(track(database, [999_999_999])).rejects.toMatchObject({ code: "E_UNKNOWN_TABLE" })
    const briefOid = async (): Promise<number> =>
      Number((await target.sql.query("select 'brief'::regclass::oid::int8::text as oid")).rows[0]!.oid)
    for (const [name, why] of [
      ["looks", "is a view"],
      ["fast", "unlogged"],
      [await briefOid(), "temporary"],
      ["halves", "unlogged"],
      ["pg_catalog.pg_class", "system"],
    ] as const)
      await expect(track(database, [name])).rejects.toMatchObject({
        code: "E_UNTRACKABLE_TABLE",
        message: expect.stringContaining(why),
      })
    await expect(track(database, ["good"], { log: false })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
    await expect(track(database, ["good"], { lockTimeout: "soon" as never })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
    expect((await target.sql.query(triggerCount)).rows).toEqual([{ n: 0 }])
    expect((await trackingStatus(database)).relations).toEqual([])
  })

  test("owners come and go; triggers stay as long as one needs them", async () => {
    await sql("create table shared (id int, k int)")
    await track(database, ["shared"], { owner: "view:a" })
    await track(database, [{ table: "shared", keys: ["k"] }], { owner: "cache", log: false, notify: true })
    const relation = async (): Promise<unknown> =>
      (await trackingStatus(database)).relations.find(({ name }) => name === "shared")
    expect(await relation()).toMatchObject({ log: true, notify: true, keys: ["k"], owners: ["cache", "view:a"] })
    await untrack(database, ["shared"], { owner: "view:a" })
    expect(await relation()).toMatchObject({ log: false, notify: true, owners: ["cache"] })
    // Told, but not logged: nothing can be told unchanged from the log.
    expect(await changes(database, "shared", async () => {})).toBe(true)
    await untrack(database, ["shared"], { owner: "somebody else" })
    expect(await relation()).toMatchObject({ owners: ["cache"] })
    await untrack(database, ["shared"])
    expect(await relation()).toBeUndefined()
    expect((await target.sql.query("select proname from pg_proc where proname like 'changes\\_keys%'")).rows).toEqual([])
  })

  test("tracking again what is tracked takes no lock and makes nothing stale", async () => {
    await sql("create table steady (id int, k int)")
    const again = () => track(database, [{ table: "steady", keys: ["k"] }], { notify: true, lockTimeout: "50ms", retryFor: 0 })
    await again()
    const [oid, mark] = [await oidOf(database, "steady"), await currentMark(database)]
    if (target.kind === "server") {
      const writer = await target.server.client()
      await writer.query("begin; insert into steady values (1)")
      await again()
      await writer.query("rollback")
    } else await again()
    expect(await changedSince(database, [oid], mark)).toBe(false)
    await track(database, [{ table: "steady", keys: ["id"] }], { notify: true })
    expect(await changedSince(database, [oid], mark)).toBe(true)
    await untrack(database, ["steady"])
  })

  test("what was derived before tracking ended and began again is stale", async () => {
    await sql("create table onoff (id int)")
    await track(database, ["onoff"])
    const [oid, mark] = [await oidOf(database, "onoff"), await currentMark(database)]
    await untrack(database, ["onoff"])
    await sql("insert into onoff values (1)")
    await track(database, ["onoff"])
    expect(await changedSince(database, [oid], mark)).toBe(true)
  })
})

eachServer(
  "installing beside others",
  (target) => {
    let database: Database
    const sql = (text: string): Promise<unknown> => target.sql.exec(text)
    beforeAll(async () => {
      database = openDatabase(target.source)
      await sql(`create table a (id int); create table b (id int); create table c (id int) partition by list (id);
        create table c_1 partition of c for values in (1); create table c_2 partition of c for values in (2)`)
    })
    afterAll(() => database.close())

    test("many processes at once, from nothing", async () => {
      const processes = Array.from({ length: 3 }, (_, n) =>
        installer(target.server.url, n % 2 === 0 ? ["a", "b", "c"] : ["c", "b", "a"]),
      )
      const inHere = Array.from({ length: 3 }, () => track(database, ["b", "c", "a"]))
      expect(await Promise.all(processes.map(({ ended }) => ended))).toEqual([0, 0, 0])
      await Promise.all(inHere)
      expect((await target.sql.query(triggerCount)).rows).toEqual([{ n: 5 }])
      expect(await drift(database)).toEqual([])
      expect((await target.sql.query("select count(*)::int as n from selecto.migration")).rows).toEqual([{ n: 1 }])
    })

    test("a writer in a long transaction: the lock is not waited for long, others go on writing, and it is had in the end", async () => {
      await untrack(database)
      const [holder, other] = [await target.server.client(), await target.server.client()]
      await holder.query("begin; insert into a values (1)")
      const failing = track(database, ["a"], { lockTimeout: "100ms", retryFor: "300ms" })
      await expect(failing).rejects.toMatchObject({ code: "E_LOCK_TIMEOUT", message: expect.stringMatching(/pid \d+/) })
      expect((await target.sql.query(triggerCount)).rows).toEqual([{ n: 0 }])
      const waiting = track(database, ["a"], { lockTimeout: "100ms", retryFor: "60s" })
      // Between its tries a writer gets through.
      for (let n = 0; n < 5; n++) await other.query("insert into a values (2)")
      await holder.query("commit")
      await waiting
      expect(await changes(database, "a", () => sql("insert into a values (3)"))).toBe(true)
    })

    test("nothing is written between the snapshot and the triggers", async () => {
      await untrack(database)
      const [early, watcher] = [await target.server.client(), await target.server.client()]
      await early.query("begin; insert into b values (1)")
      const oid = await oidOf(database, "b")
      const installing = track(database, ["b"], { lockTimeout: "30s" })
      await until("the install to wait", async () => {
        const { rows } = await watcher.query(
          "select from pg_stat_activity where wait_event_type = 'Lock' and query like 'lock table%' and datname = current_database()",
        )
        return rows.length > 0
      })
      await early.query("commit")
      await installing
      const mark = await currentMark(database)
      expect(await changedSince(database, [oid], mark)).toBe(false)
      await early.query("insert into b values (2)")
      expect(await changedSince(database, [oid], mark)).toBe(true)
    })

    test("killed at any moment, it leaves each tree whole or untouched, and the same call completes it", async () => {
      await untrack(database)
      await sql("drop schema selecto cascade")
      const blocker = await target.server.client()
      await blocker.query("begin; insert into c_2 values (2)")
      const process = installer(target.server.url, ["a", "b", "c"])
      const watcher = await target.server.client()
      await until("the process to wait for a table", async () => {
        const { rows } = await watcher.query(
          "select from pg_stat_activity where wait_event_type = 'Lock' and query like 'lock table%' and datname = current_database()",
        )
        return rows.length > 0
      })
      process.kill()
      await process.ended
      await blocker.query("rollback")
      const { rows } = await watcher.query(
        "select tgrelid::regclass::text as name, count(*)::int as n from pg_trigger where tgname like 'selecto%' group by 1 order by 1",
      )
      expect(rows).toEqual([
        { name: "a", n: 1 },
        { name: "b", n: 1 },
      ])
      await track(database, ["a", "b", "c"])
      expect(await drift(database)).toEqual([])
      expect((await target.sql.query(triggerCount)).rows).toEqual([{ n: 5 }])
    })

    test("a backend that is terminated in the middle", async () => {
      await untrack(database)
      const [blocker, watcher] = [await target.server.client(), await target.server.client()]
      await blocker.query("begin; insert into a values (2)")
      const failing = track(database, ["a"], { lockTimeout: "30s" }).catch((error) => error)
      await until("it to wait", async () => {
        const { rows } = await watcher.query<{ pid: number }>(
          "select pid, pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and query like 'lock table%' and datname = current_database()",
        )
        return rows.length > 0
      })
      expect(await failing).toMatchObject({ code: "E_CONNECTION" })
      await blocker.query("rollback")
      expect((await target.sql.query(triggerCount)).rows).toEqual([{ n: 0 }])
      await track(database, ["a"])
    })

    test("an abort ends the waiting", async () => {
      await untrack(database)
      const blocker = await target.server.client()
      await blocker.query("begin; insert into a values (2)")
      const abort = new AbortController()
      const failing = track(database, ["a"], { lockTimeout: "30s", signal: abort.signal })
      setTimeout(() => abort.abort(), 50)
      await expect(failing).rejects.toMatchObject({ code: "E_ABORTED" })
      await blocker.query("rollback")
    })

    test("a partition that is attached while a trigger set is installed", async () => {
      await untrack(database)
      const [one, two, watcher] = [await target.server.client(), await target.server.client(), await target.server.client()]
      await one.query("create table c_3 (id int); insert into c_3 values (3)")
      await one.query("begin; alter table c attach partition c_3 for values in (3)")
      const installing = track(database, ["c"], { lockTimeout: "30s" })
      await until("the install to wait", async () => {
        const { rows } = await watcher.query(
          "select from pg_stat_activity where wait_event_type = 'Lock' and query like 'lock table%' and datname = current_database()",
        )
        return rows.length > 0
      })
      await one.query("commit")
      await installing
      expect(await changes(database, "c", () => two.query("insert into c_3 values (3)"))).toBe(true)
      expect(await drift(database)).toEqual([])
    })

    test("two sessions alter different partitions of a tracked table and neither waits for the other", async () => {
      const [one, two] = [await target.server.client(), await target.server.client()]
      await one.query("begin; alter table c_1 set (fillfactor = 90)")
      await two.query("set statement_timeout = '5s'; begin; alter table c_2 set (fillfactor = 90)")
      await one.query("alter table c_1 reset (fillfactor)")
      await two.query("commit")
      await one.query("commit")
      const pid = await pidOf(one)
      expect(await waits(two, pid)).toBe(false)
      await syncTracking(database)
    })

    test("through a transaction pooler", async ({ skip }) => {
      if (pgbouncerMissing()) return skip("PgBouncer is not installed")
      await untrack(database)
      const bouncer = await startPgbouncer(target.server.server, "transaction")
      const pooled = openDatabase(`postgresql://postgres@127.0.0.1:${bouncer.port}/${target.server.name}`)
      try {
        await Promise.all([track(pooled, ["a", "b"]), track(pooled, ["b", "c"])])
        expect(await drift(pooled)).toEqual([])
        expect(await changes(pooled, "c", () => sql("insert into c_1 values (1)"))).toBe(true)
        await untrack(pooled)
      } finally {
        await pooled.close()
        await bouncer.stop()
      }
    })

    test("event triggers are relied on only when every older transaction has ended", async () => {
      await sql("drop schema selecto cascade")
      await sql(
        "create table later (id int) partition by list (id); create table later_1 (id int); insert into later_1 values (1)",
      )
      const old = await target.server.client()
      await old.query("begin; alter table later attach partition later_1 for values in (1)")
      await track(database, ["a"])
      expect((await trackingStatus(database)).ddl).toBe("polling")
      await syncTracking(database)
      expect((await trackingStatus(database)).ddl).toBe("polling")
      await old.query("commit")
      await relied(database)
      const [oid, mark] = [await oidOf(database, "a"), await currentMark(database)]
      // Taken away by an administrator: from the next look on the weaker promise holds, and what was derived is stale.
      await sql("drop event trigger selecto_changes_ddl")
      await syncTracking(database)
      expect((await trackingStatus(database)).ddl).toBe("polling")
      expect(await changedSince(database, [oid], mark)).toBe(true)
    })
  },
  { pglite: false },
)
