import pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import { changedSince, currentMark, drift, syncTracking, track, trackingStatus } from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { urlOf } from "../support/server.ts"
import { asAdmin } from "../support/test-database.ts"
import { oidOf, until } from "./support.ts"

const schema = `
create table orders (id int primary key, n int);
create table later (id int primary key);
create table parts (id int, at date, primary key (id, at)) partition by range (at);
create table parts_2024 partition of parts for values from ('2024-01-01') to ('2025-01-01');
`

eachServer(
  "a subscriber of logical replication",
  (target) => {
    let publisher: pg.Client
    let database: Database
    let source = ""
    let slot = ""
    const sql = (text: string): Promise<unknown> => target.sql.exec(text)
    const count = async (table: string): Promise<number> =>
      Number((await target.sql.query(`select count(*)::int as n from ${table}`)).rows[0]!.n)
    /** Does what the publisher writes count as a change here, once it has arrived? */
    const changed = async (table: string, text: string, rows: number): Promise<boolean> => {
      const [oid, mark] = [await oidOf(database, table), await currentMark(database)]
      await publisher.query(text)
      await until(`${rows} rows in ${table}`, async () => (await count(table)) === rows)
      return changedSince(database, [oid], mark)
    }

    beforeAll(async () => {
      source = `${target.server.name}_source`
      slot = `slot_${target.server.name}`
      await asAdmin(target.server.server, (admin) => admin.query(`create database ${source} template template0`))
      publisher = new pg.Client({ connectionString: urlOf(target.server.server, source) })
      await publisher.connect()
      await publisher.query(schema)
      await publisher.query("create publication everything for table orders, parts")
      await publisher.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot])
      await sql(schema)
      const { host, port } = target.server.server
      await target.sql.query(
        `create subscription ${slot} connection 'host=${host} port=${port} user=postgres dbname=${source}' publication everything
         with (create_slot = false, slot_name = '${slot}', copy_data = false)`,
      )
      database = openDatabase(target.source)
      await track(database, ["orders", "parts", "later"], { notify: true })
    })
    afterAll(async () => {
      await database.close()
      await sql(`alter subscription ${slot} disable`)
      await sql(`alter subscription ${slot} set (slot_name = none)`)
      await sql(`drop subscription ${slot}`)
      await publisher.query("select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", [slot])
      for (let gone = false; !gone; )
        gone = await publisher.query("select pg_drop_replication_slot($1)", [slot]).then(
          () => true,
          () => false,
        )
      await publisher.end()
      await asAdmin(target.server.server, (admin) => admin.query(`drop database ${source} with (force)`))
    })

    test("is told by status, and has row triggers where it writes", async () => {
      const { relations } = await trackingStatus(database)
      expect(relations.map(({ name, subscribed, blind }) => [name, subscribed, blind])).toEqual([
        ["later", [], null],
        ["orders", ["orders"], null],
        ["parts", ["parts_2024"], null],
      ])
      const { rows } = await target.sql.query(
        `select tgrelid::regclass::text as name, count(*)::int as n from pg_trigger
         where tgname like 'selecto%' and tgtype & 1 = 1 and tgenabled = 'A' group by 1 order by 1`,
      )
      expect(rows).toEqual([
        { name: "orders", n: 2 },
        { name: "parts_2024", n: 2 },
      ])
    })

    test("what the apply worker writes counts: rows, partitions, TRUNCATE", async () => {
      expect(await changed("orders", "insert into orders values (1, 1), (2, 2)", 2)).toBe(true)
      expect(await changed("orders", "delete from orders where id = 2", 1)).toBe(true)
      expect(await changed("parts", "insert into parts values (1, '2024-05-05')", 1)).toBe(true)
      expect(await changed("orders", "truncate orders", 0)).toBe(true)
      // A transaction of many rows logs itself a few times, not once for each row.
      const { rows } = await target.sql.query("select count(*)::int as n from selecto.changes_log")
      expect(await changed("orders", "insert into orders select g, g from generate_series(1, 20000) g", 20_000)).toBe(true)
      const { rows: after } = await target.sql.query("select count(*)::int as n from selecto.changes_log")
      expect(Number(after[0]!.n) - Number(rows[0]!.n)).toBeLessThan(15_000)
    })

    test("what is subscribed later gets its row triggers", async () => {
      await publisher.query("alter publication everything add table later")
      await target.sql.query(`alter subscription ${slot} refresh publication with (copy_data = false)`)
      await syncTracking(database)
      expect((await trackingStatus(database)).relations.find(({ name }) => name === "later")?.subscribed).toEqual(["later"])
      expect(await drift(database)).toEqual([])
      expect(await changed("later", "insert into later values (1)", 1)).toBe(true)
    })

    test("without them nothing would be noticed", async () => {
      const { rows } = await target.sql.query(
        "select tgname as name from pg_trigger where tgrelid = 'later'::regclass and tgname like 'selecto%' and tgtype & 1 = 1",
      )
      await sql(
        `set selecto.arming = on; ${rows.map(({ name }) => `drop trigger ${String(name)} on later`).join(";")}; reset selecto.arming`,
      )
      expect(await changed("later", "insert into later values (2)", 2)).toBe(false)
      await syncTracking(database)
      expect(await changed("later", "insert into later values (3)", 3)).toBe(true)
    })
  },
  { pglite: false },
)
