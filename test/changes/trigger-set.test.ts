import { afterAll, beforeAll, expect, test } from "vitest"
import { drift, installTriggers, syncTracking, type TriggerSet, track, trackingStatus, untrack } from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { changes } from "./support.ts"

/** Keeps the ids that a statement has changed, as a view's upkeep would. */
function marks(name: string, table: string): TriggerSet {
  const body = (rows: readonly string[]): string =>
    `begin insert into public.${table} ${rows.map((from) => `select distinct id, '${from}' from ${from}`).join(" union all ")}; return null; end`
  const functions = {
    insert: { name: `demo_${name}_insert`, body: body(["new_rows"]) },
    update: { name: `demo_${name}_update`, body: body(["old_rows", "new_rows"]) },
    delete: { name: `demo_${name}_delete`, body: body(["old_rows"]) },
    truncate: {
      name: `demo_${name}_truncate`,
      body: `begin insert into public.${table} values (null, 'truncate'); return null; end`,
    },
  }
  return {
    component: "demo",
    name,
    triggers: (["insert", "update", "delete", "truncate"] as const).map((event) => ({
      part: event,
      events: [event],
      level: "statement",
      transition: event !== "truncate",
      function: functions[event],
    })),
  }
}

eachServer("trigger sets", (target) => {
  let database: Database
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)
  const triggersOf = async (table: string): Promise<number> =>
    Number(
      (
        await target.sql.query(
          "select count(*)::int as n from pg_trigger where tgrelid = $1::regclass and tgname like 'selecto\\_demo\\_%' and tgenabled = 'A'",
          [table],
        )
      ).rows[0]!.n,
    )

  beforeAll(async () => {
    await sql(`create table parted (id int, at date) partition by range (at);
      create table parted_2024 partition of parted for values from ('2024-01-01') to ('2025-01-01');
      create table noted (id int, how text); create table other (id int, how text)`)
    database = openDatabase(target.source)
    // The state is there because something is tracked.
    await sql("create table any_table (id int)")
    await track(database, ["any_table"])
  })
  afterAll(() => database.close())

  test("a set stands on every table of the tree, and sees all rows once", async () => {
    await installTriggers(database, "parted_2024", marks("sales", "noted"))
    expect([await triggersOf("parted"), await triggersOf("parted_2024")]).toEqual([4, 4])
    await sql(`insert into parted values (1, '2024-01-01'), (2, '2024-01-01'); insert into parted_2024 values (3, '2024-01-01');
      update parted set id = 4 where id = 3; delete from parted_2024 where id = 4; truncate parted`)
    const { rows } = await target.sql.query("select id, how from noted order by ctid")
    expect(rows.map(({ id, how }) => `${id} ${how}`)).toEqual([
      "1 new_rows",
      "2 new_rows",
      "3 new_rows",
      "3 old_rows",
      "4 new_rows",
      "4 old_rows",
      // TRUNCATE is the one statement that fires the triggers of the parent and of the partitions.
      "null truncate",
      "null truncate",
    ])
    // No change log: nothing can be told unchanged.
    expect(await changes(database, "parted", async () => {})).toBe(true)
    expect((await trackingStatus(database)).relations.find(({ name }) => name === "parted")).toMatchObject({
      log: false,
      owners: ["demo:sales"],
    })
  })

  test("new partitions get it, detached ones lose it", async () => {
    await sql("create table parted_2025 partition of parted for values from ('2025-01-01') to ('2026-01-01')")
    await syncTracking(database)
    expect(await triggersOf("parted_2025")).toBe(4)
    await sql("delete from noted; insert into parted_2025 values (9, '2025-05-05')")
    expect((await target.sql.query("select id from noted")).rows).toEqual([{ id: 9 }])
    await sql("alter table parted detach partition parted_2025")
    await syncTracking(database)
    expect(await triggersOf("parted_2025")).toBe(0)
  })

  test("sets, and the change log, stand side by side and go one by one", async () => {
    await installTriggers(database, "parted", marks("other", "other"))
    await track(database, ["parted"])
    expect(await triggersOf("parted")).toBe(8)
    await sql("delete from noted; delete from other; insert into parted values (5, '2024-05-05')")
    expect((await target.sql.query("select (select id from noted) as a, (select id from other) as b")).rows).toEqual([
      { a: 5, b: 5 },
    ])
    expect(await changes(database, "parted", () => sql("insert into parted_2024 values (6, '2024-05-05')"))).toBe(true)
    await installTriggers(database, "parted", { component: "demo", name: "other", triggers: [] })
    expect(await triggersOf("parted")).toBe(4)
    expect((await target.sql.query("select proname from pg_proc where proname like 'demo\\_other%'")).rows).toEqual([])
    await untrack(database, ["parted"])
    expect(await triggersOf("parted")).toBe(4)
    await installTriggers(database, "parted", { component: "demo", name: "sales", triggers: [] })
    expect(await triggersOf("parted")).toBe(0)
    expect((await trackingStatus(database)).relations.map(({ name }) => name)).toEqual(["any_table"])
    expect((await target.sql.query("select proname from pg_proc where proname like 'demo\\_%'")).rows).toEqual([])
  })

  test("a set that is put again in another shape is the new one only", async () => {
    const set = marks("shape", "noted")
    await installTriggers(database, "parted", set)
    await installTriggers(database, "parted", { ...set, triggers: set.triggers.slice(0, 1) })
    expect(await triggersOf("parted")).toBe(1)
    const changed = {
      ...set.triggers[0]!,
      function: { name: "demo_shape_insert", body: "begin insert into public.noted values (-1, 'new'); return null; end" },
    }
    await installTriggers(database, "parted", { ...set, triggers: [changed] })
    await sql("delete from noted; insert into parted values (8, '2024-05-05')")
    expect((await target.sql.query("select id from noted")).rows).toEqual([{ id: -1 }])
    expect(await drift(database)).toEqual([])
  })

  test("row triggers stand on what holds rows", async () => {
    const call = {
      name: "demo_rows",
      body: "begin insert into public.other values (coalesce(new.id, old.id), tg_op || ' ' || tg_table_name); return null; end",
    }
    await installTriggers(database, "parted", {
      component: "demo",
      name: "rows",
      triggers: [{ part: "rows", events: ["insert", "update", "delete"], level: "row", function: call }],
    })
    await sql("delete from other; insert into parted values (1, '2024-05-05'); delete from parted_2024 where id = 1")
    expect((await target.sql.query("select how from other order by ctid")).rows.map(({ how }) => how)).toEqual([
      "INSERT parted_2024",
      "DELETE parted_2024",
    ])
  })

  test("what no trigger can be is refused", async () => {
    const call = { name: "demo_bad", body: "begin return null; end" }
    const wrong = [
      { part: "a", events: ["insert"], level: "statement", function: { ...call, name: "bad" } },
      { part: "b", events: [], level: "statement", function: call },
      { part: "c", events: ["truncate"], level: "row", function: call },
      { part: "d", events: ["insert", "update"], level: "statement", transition: true, function: call },
    ] as const
    for (const trigger of wrong)
      await expect(
        installTriggers(database, "parted", { component: "demo", name: "bad", triggers: [trigger] }),
      ).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
        path: trigger.part,
      })
  })
})
