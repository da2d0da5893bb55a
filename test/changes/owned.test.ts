import { afterAll, beforeAll, expect, test } from "vitest"
import { migrate, nameOf, ownedObjects, ownedTag, removeOwned, track, trackingStatus } from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { monitorComponent } from "../../src/monitor/history-schema.ts"
import { eachServer } from "../support/each-server.ts"

const leftovers = `
select 'relation ' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'selecto'
union all select 'function ' || proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'selecto'
union all select 'trigger ' || tgname from pg_trigger where tgname like 'selecto%'
union all select 'event trigger ' || evtname from pg_event_trigger
union all select 'schema ' || nspname from pg_namespace where nspname = 'selecto' order by 1`

eachServer("what is ours", (target) => {
  let database: Database
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)
  const left = async (): Promise<string[]> => (await target.sql.query(leftovers)).rows.map(({ name }) => String(name))
  const listed = async (): Promise<string[]> => (await ownedObjects(database)).objects.map(nameOf)
  const install = async (): Promise<void> => {
    await track(database, ["orders", { table: "parts", keys: ["id"] }], { notify: true })
    await migrate(database, [monitorComponent])
  }
  beforeAll(async () => {
    await sql(`create table orders (id int); create table parts (id int) partition by list (id);
      create table parts_1 partition of parts for values in (1)`)
    database = openDatabase(target.source)
  })
  afterAll(() => database.close())

  test("nothing, in a database that we have not touched", async () => {
    expect(await ownedObjects(database)).toMatchObject({ objects: [], strangers: [] })
    expect(await removeOwned(database)).toEqual({ dropped: [], kept: [] })
  })

  test("is listed whole, and removed whole", async () => {
    await install()
    // Every trace that the catalog knows is on the list, indexes and partitions excepted, which go with their tables.
    const names = await listed()
    for (const name of await left())
      if (!/_pkey$|_probe$|_root$|_fingerprint$|monitor_.*_\d+/.test(name))
        expect(names.some((one) => one.includes(name.replace(/^(relation|function|trigger|event trigger|schema) /, "")))).toBe(
          true,
        )
    expect(names.filter((name) => name.startsWith("trigger "))).toHaveLength(2 + 2 * 5)
    const { dropped, kept } = await removeOwned(database)
    expect(kept).toEqual([])
    expect(dropped.map(nameOf).sort()).toEqual([...names].sort())
    expect(await left()).toEqual([])
    await sql("insert into orders values (1); insert into parts values (1)")
  })

  test("one component goes, the other stays", async () => {
    await install()
    await removeOwned(database, { components: ["monitor"] })
    expect((await left()).filter((name) => name.includes("monitor"))).toEqual([])
    expect(await trackingStatus(database)).toMatchObject({ installed: true })
    // And can be had again.
    await migrate(database, [monitorComponent])
    expect((await left()).filter((name) => name.includes("monitor")).length).toBeGreaterThan(3)
    await removeOwned(database, { components: ["changes"] })
    expect((await left()).filter((name) => name.includes("changes"))).toEqual([])
    expect((await left()).includes("relation migration")).toBe(true)
    await removeOwned(database)
    expect(await left()).toEqual([])
  })

  test("never by CASCADE: what a user built on ours stays, whole, with the reason", async () => {
    await install()
    await sql("create view report as select count(*) from selecto.monitor_minute")
    const { kept } = await removeOwned(database)
    expect(kept.every(({ failed }) => failed)).toBe(true)
    expect(kept.map(({ object }) => object.component)).toEqual(expect.arrayContaining(["monitor", "selecto"]))
    expect(kept.find(({ object }) => object.name === "monitor_minute")?.reason).toContain("depend")
    expect((await left()).filter((name) => name.includes("monitor_statement"))).not.toEqual([])
    expect((await left()).filter((name) => /changes|trigger/.test(name))).toEqual([])
    // What is left still works as it was, and what is gone can be had again.
    await install()
    await sql("drop view report")
    expect((await removeOwned(database)).kept).toEqual([])
    expect(await left()).toEqual([])
  })

  test("what others put into schema selecto is not touched, and keeps the schema", async () => {
    await install()
    await sql("create table selecto.mine (id int); create function selecto.my_own() returns int language sql as 'select 1'")
    expect([...(await ownedObjects(database)).strangers].sort()).toEqual(["function my_own()", "table mine"])
    const { kept } = await removeOwned(database)
    expect(kept).toMatchObject([{ object: { kind: "schema" }, failed: false, reason: expect.stringContaining("not ours") }])
    expect(await left()).toEqual(["function my_own", "relation mine", "schema selecto"])
    // A schema of that name that was there before is no obstacle either.
    await install()
    await removeOwned(database)
    expect(await left()).toEqual(["function my_own", "relation mine", "schema selecto"])
    await sql("drop schema selecto cascade")
  })

  test("a trigger of the user's own that is called like ours is not ours", async () => {
    await install()
    await sql(`create function public.theirs() returns trigger language plpgsql as 'begin return null; end';
      create trigger selecto_of_theirs after insert on orders for each statement execute function public.theirs()`)
    expect((await listed()).some((name) => name.includes("selecto_of_theirs"))).toBe(false)
    await removeOwned(database)
    expect(await left()).toEqual(["trigger selecto_of_theirs"])
    await sql("drop trigger selecto_of_theirs on orders")
  })

  test("views that we made are kept unless asked for, adopted ones and others always", async () => {
    await install()
    await sql(`create materialized view sales as select count(*) from orders; comment on materialized view sales is '${ownedTag("views")}: made on request';
      create materialized view sales_of_sales as select * from sales; comment on materialized view sales_of_sales is '${ownedTag("views")}';
      create materialized view adopted as select 1; comment on materialized view adopted is 'ours: selecto:views'`)
    expect((await listed()).filter((name) => name.startsWith("materialized"))).toEqual([
      "materialized view public.sales_of_sales",
      "materialized view public.sales",
    ])
    const { kept } = await removeOwned(database)
    expect(kept.map(({ object, failed }) => [nameOf(object), failed])).toEqual([
      ["materialized view public.sales_of_sales", false],
      ["materialized view public.sales", false],
    ])
    expect(await left()).toEqual([])
    expect((await removeOwned(database, { views: true })).dropped).toHaveLength(2)
    expect((await target.sql.query("select relname from pg_class where relkind = 'm'")).rows).toEqual([{ relname: "adopted" }])
    await sql("drop materialized view adopted")
  })

  test("a view that triggers keep up is kept with all that keeps it up", async () => {
    await install()
    await sql(`create function selecto.changes_demo() returns trigger language plpgsql as 'begin return null; end';
      create trigger selecto_upkeep_demo after insert on orders for each statement execute function selecto.changes_demo();
      create view live as select * from orders; comment on view live is '${ownedTag("upkeep")}'`)
    const { kept } = await removeOwned(database)
    expect(kept.every(({ failed }) => !failed)).toBe(true)
    const still = await left()
    expect(still).toEqual(expect.arrayContaining(["trigger selecto_upkeep_demo", "relation changes_log", "schema selecto"]))
    expect(still.filter((name) => name.includes("monitor"))).toEqual([])
    expect((await removeOwned(database, { views: true })).kept).toEqual([])
    expect(await left()).toEqual([])
  })
})

eachServer(
  "removing beside others",
  (target) => {
    let database: Database
    beforeAll(async () => {
      await target.sql.exec("create table busy (id int); create table calm (id int)")
      database = openDatabase(target.source)
      await track(database, ["busy", "calm"])
    })
    afterAll(() => database.close())

    test("a table that is locked keeps its trigger, and with it all that the trigger needs; the same call completes it", async () => {
      const holder = await target.server.client()
      await holder.query("begin; insert into busy values (1)")
      const { dropped, kept } = await removeOwned(database, { lockTimeout: "100ms", retryFor: "200ms" })
      expect(dropped.map(({ on }) => on)).toContain("public.calm")
      expect(kept.find(({ object }) => object.on === "public.busy")).toMatchObject({
        failed: true,
        reason: expect.stringContaining("locks"),
      })
      expect(kept.find(({ object }) => object.name === "changes_log")).toMatchObject({
        failed: true,
        reason: expect.stringContaining("needs it"),
      })
      await holder.query("insert into busy values (2); commit")
      await target.sql.query("insert into busy values (3)")
      expect((await removeOwned(database)).kept).toEqual([])
      expect((await target.sql.query(leftovers)).rows).toEqual([])
    })

    test("two that remove at once both end well", async () => {
      await track(database, ["busy", "calm"])
      const other = openDatabase(target.source)
      await Promise.all([removeOwned(database), removeOwned(other)])
      await removeOwned(other)
      await other.close()
      expect((await target.sql.query(leftovers)).rows).toEqual([])
    })
  },
  { pglite: false },
)
