import { randomBytes } from "node:crypto"
import pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import {
  changedSince,
  changesComponent,
  currentMark,
  identity,
  migrate,
  ownedObjects,
  pruneLog,
  syncTracking,
  track,
  trackingStatus,
} from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { asAdmin } from "../support/test-database.ts"
import { oidOf } from "./support.ts"

eachServer(
  "rights",
  (target) => {
    const tail = randomBytes(4).toString("hex")
    const roles = { owner: `owner_${tail}`, writer: `writer_${tail}`, stranger: `stranger_${tail}` }
    const databases: Database[] = []
    const urlAs = (role: string): string => target.server.url.replace("postgres@", `${role}@`)
    const as = (role: string): Database => {
      const database = openDatabase(urlAs(role), { maxConnections: 3 })
      databases.push(database)
      return database
    }
    const sql = (text: string): Promise<unknown> => target.sql.exec(text)
    let owner: Database

    beforeAll(async () => {
      for (const role of Object.values(roles)) await sql(`create role ${role} login`)
      await sql(`create table orders (id int primary key, n int); alter table orders owner to ${roles.owner};
        create table items (id int) partition by list (id); create table items_1 partition of items for values in (1);
        alter table items owner to ${roles.owner}; alter table items_1 owner to ${roles.owner};
        create table theirs (id int);
        grant select, insert, update, delete, truncate on orders, items, items_1 to ${roles.writer};
        grant usage, create on schema public to ${roles.owner}`)
      owner = as(roles.owner)
    })
    afterAll(async () => {
      await Promise.all(databases.map((database) => database.close()))
      await sql("drop schema if exists selecto cascade; drop table if exists orders, items, theirs cascade")
      for (const role of Object.values(roles)) await sql(`drop owned by ${role}; drop role ${role}`)
    })

    test("without the right to make the schema the GRANT is told, and it is enough", async () => {
      await expect(track(owner, ["orders"])).rejects.toMatchObject({
        code: "E_MISSING_RIGHT",
        message: expect.stringContaining(`GRANT CREATE ON DATABASE ${target.server.name} TO ${roles.owner}`),
      })
      expect(await trackingStatus(owner)).toMatchObject({ installed: false })
      await sql(`grant create on database ${target.server.name} to ${roles.owner}`)
      await track(owner, [{ table: "orders", keys: ["n"] }, "items"], { notify: true })
      // No superuser: no event triggers.
      expect(await trackingStatus(owner)).toMatchObject({ installed: true, ddl: "polling" })
    })

    test("whoever has no right on our schema writes as before, and is seen", async () => {
      const writer = new pg.Client({ connectionString: urlAs(roles.writer) })
      await writer.connect()
      try {
        await expect(writer.query("select from selecto.changes_log")).rejects.toMatchObject({ code: "42501" })
        const [orders, items] = [await oidOf(owner, "orders"), await oidOf(owner, "items")]
        for (const [oid, text] of [
          [orders, "insert into orders values (1, 1)"],
          [orders, "update orders set n = 2"],
          [orders, "delete from orders"],
          [orders, "truncate orders"],
          [items, "insert into items values (1)"],
          [items, "insert into items_1 values (1)"],
          [items, "truncate items"],
          // As a tool does that changes its search path, or has none.
          [orders, "set search_path = ''; insert into public.orders values (2, 2); reset search_path"],
          [orders, "create temporary table changes_log (relation oid, xid xid8); insert into orders values (3, 3)"],
        ] as const) {
          const mark = await currentMark(owner)
          await writer.query(text)
          expect([text, await changedSince(owner, [oid], mark)]).toEqual([text, true])
        }
      } finally {
        await writer.end()
      }
    })

    test("objects of a writer's own cannot stand in for PostgreSQL's in our functions", async () => {
      const { rows } = await target.sql.query(
        `select p.proname, p.prosecdef, p.proconfig::text as config from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = 'selecto' and (p.prosecdef or p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype))`,
      )
      expect(rows.length).toBeGreaterThan(5)
      for (const row of rows) {
        expect(row.prosecdef).toBe(true)
        expect(String(row.config)).toContain("search_path=pg_catalog, pg_temp")
      }
      // Only the test and the mark are for everybody.
      const { rows: open } = await target.sql.query(
        `select p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = 'selecto' and has_function_privilege('${roles.stranger}', p.oid, 'execute') order by 1`,
      )
      expect(open.map(({ name }) => name)).toEqual(["changes_mark", "changes_since"])
    })

    test("the test needs USAGE on the schema and nothing else; without it the GRANT is told", async () => {
      const stranger = as(roles.stranger)
      const oid = await oidOf(owner, "orders")
      await expect(changedSince(stranger, [oid], null)).rejects.toMatchObject({
        code: "E_MISSING_RIGHT",
        message: expect.stringContaining("GRANT USAGE ON SCHEMA selecto"),
      })
      await sql(`grant usage on schema selecto to ${roles.stranger}`)
      const mark = await currentMark(stranger)
      expect(mark).not.toBeNull()
      expect(await changedSince(stranger, [oid], mark)).toBe(false)
      await target.sql.query("insert into orders values (9, 9)")
      expect(await changedSince(stranger, [oid], mark)).toBe(true)
      await expect(syncTracking(stranger)).rejects.toMatchObject({ code: "E_MISSING_RIGHT" })
      await expect(pruneLog(stranger)).rejects.toMatchObject({ code: "E_MISSING_RIGHT" })
      await expect(track(stranger, ["orders"])).rejects.toMatchObject({ code: "E_MISSING_RIGHT" })
      expect((await ownedObjects(stranger)).objects.length).toBeGreaterThan(10)
    })

    test("another role's table is refused, with the GRANT that would do", async () => {
      await expect(track(owner, ["theirs"])).rejects.toMatchObject({
        code: "E_MISSING_RIGHT",
        message: expect.stringContaining(`GRANT postgres TO ${roles.owner}`),
      })
    })

    test("a partition of another role: nothing is told unchanged, and it is told who could put it right", async () => {
      await sql("create table items_2 partition of items for values in (2)")
      const oid = await oidOf(owner, "items")
      const { failed } = await syncTracking(owner)
      expect(failed).toMatchObject([{ root: oid, error: { code: "E_MISSING_RIGHT" } }])
      expect(await changedSince(owner, [oid], await currentMark(owner))).toBe(true)
      await sql(`alter table items_2 owner to ${roles.owner}`)
      expect(await syncTracking(owner)).toMatchObject({ failed: [] })
      expect(await changedSince(owner, [oid], await currentMark(owner))).toBe(false)
    })

    test("an upgrade by a role that does not own the state", async () => {
      await sql(
        `grant usage, create on schema selecto to ${roles.stranger}; grant select on selecto.migration to ${roles.stranger}`,
      )
      const more = { name: "more", statements: ["alter table selecto.changes_log add column more int"] }
      const newer = { ...changesComponent, migrations: [...changesComponent.migrations, more] }
      await expect(migrate(as(roles.stranger), [newer])).rejects.toMatchObject({
        code: "E_MISSING_RIGHT",
        message: expect.stringContaining(`GRANT ${roles.owner} TO ${roles.stranger}`),
      })
    })

    test("without the functions that tell timeline and system, the rest works", async () => {
      const name = `plain_${tail}`
      await asAdmin(target.server.server, (admin) => admin.query(`create database ${name} owner ${roles.owner}`))
      const url = urlAs(roles.owner).replace(`/${target.server.name}`, `/${name}`)
      const admin = new pg.Client({ connectionString: target.server.url.replace(`/${target.server.name}`, `/${name}`) })
      await admin.connect()
      const database = openDatabase(url)
      try {
        await admin.query(`revoke execute on function pg_current_wal_lsn(), pg_control_system(), pg_control_checkpoint() from public;
          grant create on schema public to ${roles.owner}`)
        expect(await identity(database)).toMatchObject({ systemIdentifier: null, timeline: null, standby: false })
        await database.query({ text: "create table t (id int)", values: [] })
        await track(database, ["t"])
        const [oid, mark] = [await oidOf(database, "t"), await currentMark(database)]
        expect(mark).toContain("/00000000/")
        expect(await changedSince(database, [oid], mark)).toBe(false)
        await admin.query("insert into t values (1)")
        expect(await changedSince(database, [oid], mark)).toBe(true)
      } finally {
        await database.close()
        await admin.end()
        await asAdmin(target.server.server, (one) => one.query(`drop database ${name} with (force)`))
      }
    })
  },
  { pglite: false },
)
