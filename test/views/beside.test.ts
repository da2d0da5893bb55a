import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { type ViewService, viewService } from "../../src/views/index.ts"
import { pidOf, until } from "../changes/support.ts"
import { eachServer } from "../support/each-server.ts"
import { pgbouncerMissing, startPgbouncer } from "../support/pgbouncer.ts"
import { asAdmin } from "../support/test-database.ts"

const schema = `
create table item (id int generated always as identity primary key, kind text not null, n int not null default 1);
insert into item (kind) select 'k' || i % 10 from generate_series(1, 1000) i;
`
const text = "select kind, count(*) as n from item group by kind"
const children: ChildProcess[] = []

/** A process of its own; `ended` gives its exit code and what it wrote. */
function started(...args: string[]): { ended: Promise<{ code: number | null; out: string }>; kill: () => void } {
  const child = spawn(
    process.execPath,
    [
      "--import",
      new URL("../support/register.mjs", import.meta.url).href,
      fileURLToPath(new URL("view-process.ts", import.meta.url)),
      ...args,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  )
  children.push(child)
  let out = ""
  child.stdout.on("data", (chunk) => {
    out += String(chunk)
  })
  return {
    ended: new Promise((resolve) => child.on("close", (code) => resolve({ code, out }))),
    kill: () => child.kill("SIGKILL"),
  }
}

eachServer(
  "views beside others",
  (target) => {
    let database: Database
    let views: ViewService
    const sql = (statement: string): Promise<unknown> => target.sql.exec(statement)
    const rows = async (statement: string): Promise<Record<string, unknown>[]> => (await target.sql.query(statement)).rows
    const generation = async (): Promise<unknown> =>
      (await rows("select generation::int as g from selecto.views_view where name = 'kinds'"))[0]?.g
    const waitsFor = (what: string): Promise<void> => {
      const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '${what}%' and datname = current_database()`
      return until(`a backend to wait at ${what}`, async () => (await rows(waiting)).length > 0, 60)
    }

    beforeAll(async () => {
      await sql(schema)
      database = openDatabase(target.source)
      views = viewService(database)
    })
    afterAll(async () => {
      for (const child of children) child.kill("SIGKILL")
      await database.close()
    })

    test("processes that create the same view at once: one makes it, all find it made", async () => {
      const processes = [1, 2].map(() => started(target.server.url, "create", "kinds"))
      const here = [1, 2, 3].map(() => views.create({ name: "kinds", text, track: true, refresh: "hourly" }))
      const outcomes = (await Promise.all(here)).map(({ outcome }) => outcome)
      const ended = await Promise.all(processes.map((one) => one.ended))
      expect(ended.map(({ code }) => code)).toEqual([0, 0])
      outcomes.push(...ended.map(({ out }) => out as "created"))
      expect(outcomes.sort()).toEqual(["created", "unchanged", "unchanged", "unchanged", "unchanged"])
      expect(await rows("select count(*)::int as n from selecto.views_view")).toEqual([{ n: 1 }])
      expect(await generation()).toBe(1)
      // Who came last has looked after the triggers again: what was derived before that counts as stale.
      await views.refresh("kinds")
      expect(await views.status("kinds")).toMatchObject({ freshness: "exact", rows: 10, problems: [] })
    })

    test("another definition under the same name at the same time is refused, not mixed up", async () => {
      const racing = await Promise.allSettled([
        views.create({ name: "racing", text: "select 1 as a" }),
        views.create({ name: "racing", text: "select 2 as b" }),
      ])
      expect(racing.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"])
      expect(racing.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "E_VIEW_DIFFERS" } })
      await views.drop("racing")
    })

    describe("refreshing", () => {
      beforeEach(() => sql("insert into item (kind) values ('k1')"))

      test("processes that ask at once are served by one refresh that began after they asked", async () => {
        const before = Number(await generation())
        const holder = await target.server.client()
        // Nobody gets further than the lock of the table below while this stands.
        await holder.query("begin; lock table item in access exclusive mode")
        const asked = [started(target.server.url, "refresh", "kinds"), started(target.server.url, "refresh", "kinds")]
        await waitsFor("refresh materialized view")
        await holder.query("commit")
        const ended = await Promise.all(asked.map((one) => one.ended))
        expect(ended.map(({ code }) => code)).toEqual([0, 0])
        expect(ended.map(({ out }) => out)).toContain("refreshed")
        expect(Number(await generation()) - before).toBeLessThanOrEqual(2)
        expect((await views.status("kinds")).freshness).toBe("exact")
      })

      test("a refresh that must wait for a reader gives up soon, says for whom, and lets others read on", async () => {
        const [reader, other] = [await target.server.client(), await target.server.client()]
        await reader.query("begin; select * from kinds")
        const pid = await pidOf(reader)
        const plain = { concurrently: false, lockTimeout: "100ms", retryFor: "1s" } as const
        const refreshing = views.refresh("kinds", plain)
        // Behind a waiting ACCESS EXCLUSIVE lock every reader would queue; between the short tries they pass.
        await other.query("set statement_timeout = '5s'")
        for (let n = 0; n < 5; n++) await other.query("select count(*) from kinds")
        await expect(refreshing).rejects.toMatchObject({ code: "E_LOCK_TIMEOUT", message: expect.stringContaining(`pid ${pid}`) })
        expect(await views.status("kinds")).toMatchObject({ freshness: "stale", refreshing: null, failure: { times: 1 } })
        expect(await views.refresh("kinds")).toMatchObject({ outcome: "refreshed", concurrently: true })
        await reader.query("commit")
        expect(await views.status("kinds")).toMatchObject({ freshness: "exact", failure: null })
      })

      test("killed in the middle: the view is as it was, nothing is left behind, and the next one works", async () => {
        const before = await rows("select * from kinds order by kind")
        const generationBefore = await generation()
        const holder = await target.server.client()
        await holder.query("begin; lock table item in access exclusive mode")
        const killed = started(target.server.url, "refresh", "kinds")
        await waitsFor("refresh materialized view")
        expect((await views.status("kinds")).refreshing).toMatchObject({ pid: expect.any(Number) })
        killed.kill()
        await killed.ended
        await holder.query("rollback")
        await until("its session to end", async () => (await views.status("kinds")).refreshing === null)
        expect(await rows("select * from kinds order by kind")).toEqual(before)
        expect(await generation()).toBe(generationBefore)
        expect(await views.refresh("kinds")).toMatchObject({ outcome: "refreshed" })
        expect((await views.status("kinds")).freshness).toBe("exact")
      })

      test("its backend terminated, and aborted by its caller: cancelled on the server", async () => {
        const holder = await target.server.client()
        await holder.query("begin; lock table item in access exclusive mode")
        const terminated = views.refresh("kinds", { lockTimeout: "60s" }).catch((error) => error)
        await until("it to be terminated", async () => {
          const found = await rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and query like 'refresh mat%' and datname = current_database()",
          )
          return found.length > 0
        })
        expect(await terminated).toMatchObject({ code: "E_CONNECTION" })
        const abort = new AbortController()
        const events: string[] = []
        const aborted = views
          .refresh("kinds", { lockTimeout: "60s", signal: abort.signal, onProgress: ({ phase }) => events.push(phase) })
          .catch((error) => error)
        await waitsFor("refresh materialized view")
        abort.abort()
        expect(await aborted).toMatchObject({ code: "E_ABORTED" })
        expect(events).toContain("waiting")
        expect(await rows("select from pg_stat_activity where query like 'refresh mat%' and state = 'active'")).toEqual([])
        await holder.query("rollback")
        expect(await views.refresh("kinds")).toMatchObject({ outcome: "refreshed" })
      })

      test("workers in several processes refresh a due view once", async () => {
        const before = Number(await generation())
        await sql("update selecto.views_view set next_run = now() - interval '1 day' where name = 'kinds'")
        const workers = [1, 2, 3].map(() => started(target.server.url, "work", ""))
        const here = [views.work(), views.work()]
        const counts = (await Promise.all(here)).map(({ refreshed }) => refreshed.length)
        for (const { code, out } of await Promise.all(workers.map((one) => one.ended))) {
          expect(code).toBe(0)
          counts.push(Number(out))
        }
        expect(counts.reduce((sum, one) => sum + one, 0)).toBe(1)
        expect(await generation()).toBe(before + 1)
      })

      test("a scheduler refreshes what comes due, and stops at once", async () => {
        await views.create({ name: "ticking", text: "select count(*) as n from item", refresh: { every: "1s" } })
        const scheduler = views.start({ interval: "200ms" })
        await until("the second refresh", async () => {
          const found = await rows("select generation::int as g from selecto.views_view where name = 'ticking'")
          return Number(found[0]!.g) >= 3
        })
        await scheduler.stop()
        await scheduler.stop()
        await views.drop("ticking")
      })

      test("rows that are no longer unique in its key are told, and the old rows stay", async () => {
        await sql("create table coded (code text, label text); insert into coded values ('a', 'x'), ('b', 'y')")
        await views.create({ name: "codes", text: "select code, label from coded", unique: ["code"] })
        await sql("insert into coded values ('a', 'z')")
        for (const concurrently of [true, false])
          await expect(views.refresh("codes", { concurrently })).rejects.toMatchObject({ code: "E_VIEW_DUPLICATES" })
        expect(await rows("select * from codes order by 1")).toHaveLength(2)
        expect((await views.status("codes")).problems[0]).toContain("not unique")
        await views.drop("codes")
      })
    })

    test("an older snapshot that sees newer rows is told that the view is not what it should be", async () => {
      await sql("insert into item (kind) values ('late')")
      await views.refresh("kinds")
      const old = await target.server.client()
      const fresh = "select selecto.views_fresh('kinds'::regclass) as fresh"
      await old.query("begin isolation level repeatable read")
      expect((await old.query(fresh)).rows).toEqual([{ fresh: true }])
      await sql("insert into item (kind) values ('later still')")
      await views.refresh("kinds", { concurrently: true })
      // It sees its own old rows, and its tables as they were: exact still.
      expect((await old.query(fresh)).rows).toEqual([{ fresh: true }])
      expect((await old.query("select from kinds where kind = 'later still'")).rows).toEqual([])
      await old.query("commit; begin isolation level repeatable read")
      await old.query("select count(*) from item")
      await sql("insert into item (kind) values ('latest')")
      await views.refresh("kinds", { concurrently: false })
      // The rows of a plain refresh are there for everybody, whatever the snapshot.
      expect((await old.query("select from kinds where kind = 'latest'")).rows).toHaveLength(1)
      expect((await old.query(fresh)).rows).toEqual([{ fresh: false }])
      await old.query("commit")
      expect((await old.query(fresh)).rows).toEqual([{ fresh: true }])
    })

    test("a partition that comes with rows makes it stale", async () => {
      await sql(`create table part (id int, at date) partition by range (at);
        create table part_1 partition of part for values from ('2024-01-01') to ('2025-01-01');
        create table part_2 (id int, at date); insert into part_2 values (1, '2025-05-05')`)
      await views.create({ name: "parts", text: "select at, count(*) as n from part group by at", track: true })
      expect((await views.status("parts")).freshness).toBe("exact")
      await sql("alter table part attach partition part_2 for values from ('2025-01-01') to ('2026-01-01')")
      expect((await views.status("parts")).freshness).toBe("stale")
      await views.work()
      await views.refresh("parts")
      expect((await views.status("parts")).freshness).toBe("exact")
      await sql("insert into part_2 values (2, '2025-06-06')")
      expect((await views.status("parts")).freshness).toBe("stale")
      await views.drop("parts")
    })

    test("through a transaction pooler", async ({ skip }) => {
      if (pgbouncerMissing()) return skip("PgBouncer is not installed")
      const bouncer = await startPgbouncer(target.server.server, "transaction")
      const pooled = openDatabase(`postgresql://postgres@127.0.0.1:${bouncer.port}/${target.server.name}`)
      const through = viewService(pooled)
      try {
        await through.create({ name: "pooled", text, track: true })
        await sql("insert into item (kind) values ('k3')")
        const outcomes = await Promise.all([1, 2, 3].map(() => through.refresh("pooled")))
        expect(outcomes.map(({ outcome }) => outcome)).toContain("refreshed")
        expect((await through.status("pooled")).freshness).toBe("exact")
        expect(await rows("select from pg_locks where locktype = 'advisory'")).toEqual([])
        await through.drop("pooled")
      } finally {
        await pooled.close()
        await bouncer.stop()
      }
    })

    test("a copy of the database knows its views by name, and trusts none of them before it has refreshed it", async () => {
      const name = `copy_${randomBytes(4).toString("hex")}`
      await database.close()
      await asAdmin(target.server.server, async (admin) => {
        await until("the database to be free", async () => {
          await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [target.server.name])
          return await admin.query(`create database ${name} template ${target.server.name}`).then(
            () => true,
            () => false,
          )
        })
      })
      database = openDatabase(target.source)
      views = viewService(database)
      const copy = openDatabase(target.server.url.replace(/\/[^/]*$/, `/${name}`))
      try {
        const there = viewService(copy)
        await there.work()
        expect(await there.list()).toMatchObject([{ name: "kinds", freshness: "stale" }])
        expect(await there.refresh("kinds")).toMatchObject({ outcome: "refreshed" })
        await there.work()
        await there.refresh("kinds")
        expect((await there.status("kinds")).freshness).toBe("exact")
      } finally {
        await copy.close()
        await asAdmin(target.server.server, (admin) => admin.query(`drop database ${name} with (force)`))
      }
    })
  },
  { pglite: false },
)

eachServer(
  "views and rights",
  (target) => {
    const tail = randomBytes(4).toString("hex")
    const [owner, reader] = [`maker_${tail}`, `reader_${tail}`]
    const open: Database[] = []
    const as = (role: string): ViewService => {
      const database = openDatabase(target.server.url.replace("postgres@", `${role}@`), { maxConnections: 3 })
      open.push(database)
      return viewService(database)
    }
    beforeAll(async () => {
      await target.sql.exec(`create role ${owner} login; create role ${reader} login; revoke create on schema public from public;
        create table thing (id int primary key, kind text); insert into thing values (1, 'a');
        create table theirs (id int); grant select, insert on thing to ${owner}, ${reader}; grant create, usage on schema public to ${owner};
        create table walled (id int, tenant text); alter table walled enable row level security; grant select on walled to ${owner}`)
    })
    afterAll(async () => {
      for (const database of open) await database.close()
      await target.sql.exec(`drop owned by ${owner}, ${reader}; drop role ${owner}; drop role ${reader}`)
    })

    test("without the right to make schema selecto a view is made all the same, and what needs a state says what is missing", async () => {
      const views = as(owner)
      const made = await views.create({ name: "things", text: "select kind, count(*) as n from thing group by kind" })
      expect(made).toMatchObject({
        outcome: "created",
        unique: ["kind"],
        warnings: [expect.stringContaining("GRANT CREATE ON DATABASE")],
      })
      expect(await views.refresh("things")).toMatchObject({ outcome: "refreshed", concurrently: true })
      expect(await views.list()).toEqual([])
      expect(await views.diff({ name: "things", text: "select 1 as a" })).toMatchObject({ outcome: "differs" })
      await expect(views.create({ name: "tracked", text: "select id from thing", track: true })).rejects.toMatchObject({
        code: "E_MISSING_RIGHT",
        message: expect.stringContaining("GRANT"),
      })
      await expect(as(reader).create({ name: "other", text: "select id from thing" })).rejects.toMatchObject({
        code: "E_MISSING_RIGHT",
      })
      await expect(as(reader).refresh("things")).rejects.toMatchObject({ code: "E_MISSING_RIGHT" })
      expect(await views.drop("things")).toMatchObject({ outcome: "dropped" })
    })

    test("writers need no right on schema selecto; readers ask for freshness with USAGE only", async () => {
      const views = as("postgres")
      await views.create({ name: "followed", text: "select kind, count(*) as n from thing group by kind", track: true })
      const writer = openDatabase(target.server.url.replace("postgres@", `${reader}@`), { maxConnections: 1 })
      open.push(writer)
      await writer.query({ text: "insert into thing values (2, 'b')", values: [] })
      expect((await views.status("followed")).freshness).toBe("stale")
      await views.refresh("followed")
      await target.sql.exec(`grant usage on schema selecto to ${reader}`)
      const fresh = { text: "select selecto.views_fresh('followed'::regclass)::text as fresh", values: [] }
      expect((await writer.query(fresh)).rows).toEqual([{ fresh: "true" }])
      await expect(writer.query({ text: "select from selecto.views_view", values: [] })).rejects.toMatchObject({
        code: "E_DATABASE",
      })
      await expect(as(owner).adopt("followed")).rejects.toMatchObject({ code: "E_MISSING_RIGHT" })
    })

    test("row security below a view is told", async () => {
      const views = as("postgres")
      const made = await views.create({ name: "open_to_all", text: "select id from walled" })
      expect(made.warnings.join()).toContain("Row security is on for public.walled")
    })
  },
  { pglite: false },
)
