import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { changedSince, currentMark, syncTracking, track, trackingStatus } from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { changes, oidOf, relied } from "./support.ts"

const schema = `
create table customers (id int primary key, name text not null);
create table orders (id int primary key, customer_id int references customers on delete cascade on update cascade, total int);
create table items (order_id int references orders on delete cascade, qty int);
create table parts (id int not null, at date not null, note text) partition by range (at);
create table parts_2024 partition of parts for values from ('2024-01-01') to ('2025-01-01');
create table parts_2025 partition of parts for values from ('2025-01-01') to ('2026-01-01') partition by list (id);
create table parts_2025_1 partition of parts_2025 for values in (1);
create table parts_2025_2 partition of parts_2025 for values in (2);
create table part_notes (id int, at date, note text);
create table animals (id int, name text);
create table cats (lives int) inherits (animals);
create table bystander (id int);
insert into customers values (1, 'a'), (2, 'b'), (3, 'c');
insert into orders values (1, 1, 10), (2, 1, 20), (3, 2, 30);
insert into items values (1, 1), (1, 2), (2, 3), (3, 4);
insert into parts values (1, '2024-05-05'), (1, '2025-05-05'), (2, '2025-05-05');
insert into cats values (1, 'tom', 9);
`
const tracked = ["customers", "orders", "items", "parts", "animals", "bystander"]

eachServer("hazards", (target) => {
  let database: Database
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)
  /** Does the statement count as a change of the table? Every one must leave the bystander unchanged. */
  const changed = async (table: string, text: string): Promise<boolean> => {
    const [bystander, mark] = [await oidOf(database, "bystander"), await currentMark(database)]
    const result = await changes(database, table, () => sql(text))
    expect(await changedSince(database, [bystander], mark)).toBe(false)
    return result
  }

  beforeAll(async () => {
    await sql(schema)
    database = openDatabase(target.source)
    await track(database, tracked, { notify: true })
    await relied(database)
  })
  afterAll(() => database.close())

  test("every member has its triggers, enabled always", async () => {
    const { rows } = await target.sql.query(
      `select tgrelid::regclass::text as name, count(*)::int as n, bool_and(tgenabled = 'A') as always
       from pg_trigger where tgname like 'selecto\\_%' group by 1 order by 1`,
    )
    const members = ["animals", "bystander", "cats", "customers", "items", "orders", "parts", "parts_2024", "parts_2025"]
    expect(rows).toEqual([...members, "parts_2025_1", "parts_2025_2"].map((name) => ({ name, n: 2, always: true })))
    expect(await trackingStatus(database)).toMatchObject({
      installed: true,
      ddl: "events",
      relations: ["animals", "bystander", "customers", "items", "orders", "parts"].map((name) => ({ name, blind: null })),
    })
  })

  test("insert, update, delete, and COPY", async () => {
    expect(await changed("customers", "insert into customers values (10, 'x')")).toBe(true)
    expect(await changed("customers", "update customers set name = 'y' where id = 10")).toBe(true)
    expect(await changed("customers", "delete from customers where id = 10")).toBe(true)
    if (target.kind === "server") {
      const client = await target.server.client()
      expect(await changed("orders", "select 1")).toBe(false)
      const mark = await currentMark(database)
      await client.query("copy orders from program 'echo 70,1,5' csv")
      expect(await changedSince(database, [await oidOf(database, "orders")], mark)).toBe(true)
      await client.query("delete from orders where id = 70")
    }
  })

  test("a statement that meets no row is no change, and costs no transaction id", async () => {
    expect(await changed("customers", "update customers set name = 'z' where false")).toBe(false)
    expect(await changed("customers", "delete from customers where id = -1")).toBe(false)
    expect(await changed("parts", "delete from parts where id = -1")).toBe(false)
    // Beside a change of another table in the same transaction it counts: too many are told, never too few.
    expect(
      await changes(database, "orders", () =>
        sql("begin; update customers set name = 'q' where id = 2; delete from orders where false; commit"),
      ),
    ).toBe(true)
  })

  test("reading, locking and rolling back are no changes", async () => {
    expect(await changed("customers", "select count(*) from customers")).toBe(false)
    expect(await changed("customers", "begin; select from customers for update; commit")).toBe(false)
    expect(await changed("customers", "begin; insert into customers values (11, 'x'); rollback")).toBe(false)
    expect(await changed("customers", "begin; savepoint a; insert into customers values (11, 'x'); rollback to a; commit")).toBe(
      false,
    )
    expect(
      await changed(
        "customers",
        "begin; savepoint a; insert into customers values (12, 'x'); release a; delete from customers where id = 12; commit",
      ),
    ).toBe(true)
  })

  test("a long transaction logs itself once, however many statements it has", async () => {
    const { rows } = await target.sql.query("select count(*)::int as n from selecto.changes_log")
    await sql(`begin; select pg_sleep(0.1); ${"update customers set name = 'long' where id = 1;".repeat(50)} commit`)
    const { rows: after } = await target.sql.query("select count(*)::int as n from selecto.changes_log")
    expect(Number(after[0]!.n) - Number(rows[0]!.n)).toBe(1)
    expect(
      await changed(
        "customers",
        "begin; select pg_sleep(0.1); savepoint a; update customers set name = 'l' where id = 1; rollback to a; update customers set name = 'm' where id = 1; commit",
      ),
    ).toBe(true)
  })

  test("ON CONFLICT DO UPDATE and DO NOTHING", async () => {
    expect(
      await changed("customers", "insert into customers values (1, 'u') on conflict (id) do update set name = excluded.name"),
    ).toBe(true)
    expect(await changed("customers", "insert into customers values (1, 'u') on conflict (id) do nothing")).toBe(false)
  })

  test("MERGE", async ({ skip }) => {
    if (target.version < 15) skip("no MERGE")
    const merge = (action: string): string =>
      `merge into orders o using (values (2)) v (id) on o.id = v.id when matched then ${action}`
    expect(await changed("orders", merge("update set total = 21"))).toBe(true)
    expect(await changed("orders", merge("do nothing"))).toBe(false)
    expect(
      await changed(
        "orders",
        "merge into orders o using (values (77)) v (id) on o.id = v.id when not matched then insert values (v.id, 1, 1)",
      ),
    ).toBe(true)
    expect(
      await changed("orders", "merge into orders o using (values (77)) v (id) on o.id = v.id when matched then delete"),
    ).toBe(true)
  })

  test("foreign keys that cascade change the tables below", async () => {
    await sql("insert into customers values (20, 'c'); insert into orders values (20, 20, 1); insert into items values (20, 1)")
    expect(await changed("orders", "update customers set id = 21 where id = 20")).toBe(true)
    expect(await changed("items", "delete from customers where id = 21")).toBe(true)
  })

  test("a data-modifying CTE changes each of its tables", async () => {
    const text =
      "with a as (update customers set name = 'w' where id = 3 returning id) update orders set total = total + 1 where id = 3"
    const mark = await currentMark(database)
    await sql(text)
    expect(await changedSince(database, [await oidOf(database, "customers")], mark)).toBe(true)
    expect(await changedSince(database, [await oidOf(database, "orders")], mark)).toBe(true)
    expect(await changedSince(database, [await oidOf(database, "items")], mark)).toBe(false)
  })

  test("TRUNCATE, and TRUNCATE CASCADE of what refers to it", async () => {
    await sql("create table if not exists heads (id int primary key); create table if not exists tails (id int references heads)")
    await track(database, ["heads", "tails"])
    await sql("insert into heads values (1); insert into tails values (1)")
    expect(await changed("tails", "truncate heads cascade")).toBe(true)
    expect(await changed("tails", "truncate tails")).toBe(true)
    await sql("insert into parts values (1, '2024-06-06')")
    expect(await changed("parts", "truncate parts_2024")).toBe(true)
    expect(await changed("parts_2025_1", "truncate parts")).toBe(true)
    await sql("insert into parts values (1, '2024-05-05'), (1, '2025-05-05'), (2, '2025-05-05')")
  })

  describe("partitions", () => {
    const direct = "insert into parts_2025_1 values (1, '2025-07-07')"
    test("what is written through the parent, a partition or one between is a change of all", async () => {
      const writes = [
        "insert into parts values (1, '2025-07-07')",
        direct,
        "insert into parts_2025 values (1, '2025-08-08')",
        "update parts set note = 'n' where id = 1 and at > '2025-01-01'",
        "update parts_2024 set note = 'n'",
        "delete from parts_2025_1 where at = '2025-08-08'",
        // From one partition to another: delete and insert.
        "update parts set at = '2024-07-07' where at = '2025-07-07'",
      ]
      const oids = await Promise.all(["parts", "parts_2025", "parts_2025_1"].map((name) => oidOf(database, name)))
      for (const text of writes) {
        const mark = await currentMark(database)
        await sql(text)
        for (const oid of oids) expect([text, await changedSince(database, [oid], mark)]).toEqual([text, true])
      }
    })

    test("one that is made, attached with rows, detached or dropped", async () => {
      expect(
        await changed("parts", "create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01')"),
      ).toBe(true)
      await syncTracking(database)
      expect(await changed("parts", "insert into parts_2026 values (1, '2026-01-01')")).toBe(true)
      await sql("create table parts_2027 (like parts); insert into parts_2027 values (5, '2027-03-03')")
      expect(
        await changed("parts", "alter table parts attach partition parts_2027 for values from ('2027-01-01') to ('2028-01-01')"),
      ).toBe(true)
      await syncTracking(database)
      expect(await changed("parts", "update parts_2027 set note = 'x'")).toBe(true)
      expect(await changed("parts", "alter table parts detach partition parts_2027")).toBe(true)
      await syncTracking(database)
      expect(await changed("parts", "update parts_2027 set note = 'y'")).toBe(false)
      const { rows } = await target.sql.query(
        "select from pg_trigger where tgrelid = 'parts_2027'::regclass and not tgisinternal",
      )
      expect(rows).toEqual([])
      expect(await changed("parts", "drop table parts_2026")).toBe(true)
      await syncTracking(database)
      expect(await changed("parts", direct)).toBe(true)
      await sql("drop table parts_2027")
    })

    test("one that is attached in a transaction that writes it, and another that is rolled back", async () => {
      await sql("create table parts_2028 (like parts)")
      expect(
        await changed(
          "parts",
          `begin; alter table parts attach partition parts_2028 for values from ('2028-01-01') to ('2029-01-01');
           insert into parts_2028 values (1, '2028-01-01'); commit`,
        ),
      ).toBe(true)
      await syncTracking(database)
      await sql("create table parts_2029 (like parts)")
      expect(
        await changed(
          "parts",
          "begin; alter table parts attach partition parts_2029 for values from ('2029-01-01') to ('2030-01-01'); rollback",
        ),
      ).toBe(false)
      expect(await changed("parts", "insert into parts_2029 values (1, '2029-01-01')")).toBe(false)
    })
  })

  test("a partition that is detached concurrently", async ({ skip }) => {
    if (target.kind === "pglite") return skip("one session only")
    await sql("create table parts_2030 partition of parts for values from ('2030-01-01') to ('2031-01-01')")
    await syncTracking(database)
    const gone = await changes(database, "parts", () =>
      target.sql.query("alter table parts detach partition parts_2030 concurrently"),
    )
    expect(gone).toBe(true)
    await syncTracking(database)
    expect(await changed("parts", "insert into parts_2030 values (1, '2030-01-01')")).toBe(false)
    await sql("drop table parts_2030")
  })

  test("children by inheritance, new ones too", async () => {
    expect(await changed("animals", "update cats set lives = 8")).toBe(true)
    expect(await changed("cats", "update animals set name = 'kitty'")).toBe(true)
    expect(await changed("animals", "create table dogs () inherits (animals)")).toBe(true)
    await syncTracking(database)
    expect(await changed("animals", "insert into dogs values (2, 'rex')")).toBe(true)
    expect(await changed("animals", "alter table dogs no inherit animals")).toBe(true)
    await syncTracking(database)
    expect(await changed("animals", "insert into dogs values (3, 'max')")).toBe(false)
  })

  test("a child of two tracked parents changes both", async () => {
    await sql("create table mothers (a int); create table fathers (b int); create table kids () inherits (mothers, fathers)")
    await track(database, ["mothers", "fathers"])
    expect(await changed("mothers", "insert into kids values (1, 2)")).toBe(true)
    expect(await changed("fathers", "insert into kids values (1, 2)")).toBe(true)
    expect(await changed("kids", "insert into fathers values (7)")).toBe(true)
    expect(await changed("mothers", "insert into fathers values (7)")).toBe(false)
  })

  test("session_replication_role = replica", async () => {
    const text = (write: string): string => `set session_replication_role = replica; ${write}; reset session_replication_role`
    expect(await changed("orders", text("update orders set total = 5 where id = 1"))).toBe(true)
    expect(await changed("parts", text("delete from parts_2025_1 where at = '2025-05-05'"))).toBe(true)
    expect(await changed("orders", text("truncate items"))).toBe(false)
  })

  test("a tracked table that becomes a partition is tracked from the top", async () => {
    await sql("create table lone (id int, at date); insert into lone values (1, '2024-01-01')")
    await track(database, ["lone"], { owner: "views" })
    await sql("create table family (id int, at date) partition by range (at)")
    expect(
      await changed("lone", "alter table family attach partition lone for values from ('2024-01-01') to ('2025-01-01')"),
    ).toBe(true)
    // Until it is put right it cannot be told unchanged.
    expect(await changed("lone", "insert into family values (2, '2024-02-02')")).toBe(true)
    expect(await changed("lone", "select 1")).toBe(true)
    const { failed } = await syncTracking(database)
    expect(failed).toEqual([])
    expect(await changed("lone", "insert into family values (3, '2024-03-03')")).toBe(true)
    expect(await changed("family", "insert into lone values (4, '2024-03-03')")).toBe(true)
    expect(await changed("lone", "select 1")).toBe(false)
    expect((await trackingStatus(database)).relations.find(({ name }) => name === "family")).toMatchObject({
      owners: ["views"],
      members: 2,
      blind: null,
    })
  })

  test("a materialized view counts as changed when it is refreshed, where that can be noticed", async () => {
    await sql("create materialized view totals as select customer_id, sum(total) from orders group by 1")
    await track(database, ["totals"])
    expect(await changed("totals", "select 1")).toBe(false)
    const refreshed = await changes(database, "totals", async () => {
      await sql("refresh materialized view totals")
      await syncTracking(database)
    })
    expect(refreshed).toBe(true)
    expect(await changed("totals", "select 1")).toBe(false)
    if (target.kind === "server") {
      await sql("create unique index on totals (customer_id)")
      expect(await changed("totals", "refresh materialized view concurrently totals")).toBe(true)
    }
  })
})
