import { afterAll, beforeAll, describe, expect, test } from "vitest"
import {
  catalogRelation,
  changedSince,
  currentMark,
  drift,
  schemaVersion,
  syncTracking,
  track,
  trackingStatus,
} from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer, type Target } from "../support/each-server.ts"
import { changes, oidOf, relied } from "./support.ts"

const schema = `
create type mood as enum ('calm', 'angry');
create domain short as text check (length(value) < 100);
create function visible(n int) returns boolean language sql immutable as 'select n > 0';
create table orders (id int primary key, state mood, label short, total int, twice int generated always as (total * 2) stored);
create table items (id int, at date) partition by range (at);
create table items_2024 partition of items for values from ('2024-01-01') to ('2025-01-01');
create table secrets (id int, owner text);
alter table secrets enable row level security;
create policy own on secrets using (visible(id));
create table bystander (id int);
`
const tracked = ["orders", "items", "secrets", "bystander"]

/** What alters the table that is named first, or (null) the catalog only. */
const alterations: readonly [table: string | null, text: string][] = [
  ["orders", "alter table orders add column note text"],
  ["orders", "alter table orders rename column note to remark"],
  ["orders", "alter table orders alter column id type bigint"],
  ["orders", "alter table orders alter column remark type text using 'x' || coalesce(remark, '')"],
  ["orders", "alter table orders drop column remark"],
  ["orders", "alter type mood add value 'sad'"],
  ["orders", "alter type mood rename value 'sad' to 'blue'"],
  ["orders", "grant select on orders to public"],
  ["orders", "revoke select on orders from public"],
  ["items", "create table items_2025 partition of items for values from ('2025-01-01') to ('2026-01-01')"],
  ["items", "alter table items detach partition items_2025"],
  ["items", "alter table items attach partition items_2025 for values from ('2025-01-01') to ('2026-01-01')"],
  ["items", "drop table items_2025"],
  ["secrets", "alter policy own on secrets using (id > 1)"],
  ["secrets", "create policy more on secrets for select using (true)"],
  ["secrets", "drop policy more on secrets"],
  ["secrets", "alter table secrets force row level security"],
  ["secrets", "alter policy own on secrets using (visible(id))"],
  ["secrets", "create or replace function visible(n int) returns boolean language sql immutable as 'select n > 5'"],
  [null, "create table newcomer (id int)"],
  [null, "create view pairs as select orders.* from orders, newcomer"],
  [null, "create or replace view pairs as select orders.*, newcomer.id as other from orders, newcomer where newcomer.id > 0"],
  [null, "drop view pairs"],
  [null, "create function lonely() returns int language sql as 'select 1'"],
  [null, "create or replace function lonely() returns int language sql as 'select 2'"],
  [null, "drop function lonely()"],
  [null, "create schema elsewhere"],
  [null, "alter table newcomer set schema elsewhere"],
  [null, "drop schema elsewhere cascade"],
]
/** What changes no answer. */
const harmless = [
  "create temporary table fleeting (id int)",
  "alter table fleeting add column x int",
  "drop table fleeting",
  "create index orders_total on orders (total)",
  "comment on table orders is 'the orders'",
  "analyze orders",
  "vacuum orders",
]

function suite(target: Target, mode: "events" | "polling"): void {
  let database: Database
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)
  /** In the polling mode what a poll finds counts. */
  const look = async (): Promise<void> => {
    if (mode === "polling") await syncTracking(database)
  }

  beforeAll(async () => {
    await sql(schema)
    database = openDatabase(target.source)
    await track(database, tracked, { ddl: mode === "polling" ? "polling" : "auto" })
    await (mode === "events" ? relied(database) : syncTracking(database))
  })
  afterAll(() => database.close())

  test("the mode is told, with what it does not notice", async () => {
    const status = await trackingStatus(database)
    expect(status.ddl).toBe(mode)
    expect(status.bound).toContain(mode === "events" ? "when it commits" : "only when syncTracking()")
  })

  test("every alteration is a change of its table and of the catalog's version, and of no other table", async () => {
    const oids = new Map(await Promise.all(tracked.map(async (name) => [name, await oidOf(database, name)] as const)))
    for (const [table, text] of alterations) {
      const version = await schemaVersion(database)
      const mark = await currentMark(database)
      await sql(text)
      await look()
      const changed = []
      for (const [name, oid] of oids) if (await changedSince(database, [oid], mark)) changed.push(name)
      expect([text, changed]).toEqual([text, table === null ? [] : [table]])
      expect([text, (await schemaVersion(database)) !== version]).toEqual([text, !text.includes("using 'x'")])
      if (!text.includes("using 'x'")) expect([text, await changedSince(database, [catalogRelation], mark)]).toEqual([text, true])
      await syncTracking(database)
    }
  })

  test("what changes no answer is no change", async () => {
    for (const text of harmless) {
      const version = await schemaVersion(database)
      const mark = await currentMark(database)
      await target.sql.query(text)
      await look()
      const all = await Promise.all([...tracked].map((name) => oidOf(database, name)))
      expect([text, await changedSince(database, [...all, catalogRelation], mark)]).toEqual([text, false])
      expect([text, await schemaVersion(database)]).toEqual([text, version])
    }
  })

  test("grants to roles, and settings of roles, are noticed by looking", async () => {
    const mark = await currentMark(database)
    await sql("alter role current_user set datestyle = 'German'")
    await syncTracking(database)
    expect(await changedSince(database, [catalogRelation], mark)).toBe(true)
    await sql("alter role current_user reset datestyle")
    await syncTracking(database)
  })

  test("a trigger that was dropped or disabled: nothing is told unchanged until it is back", async () => {
    const { rows } = await target.sql.query(
      "select tgname as name from pg_trigger where tgrelid = 'orders'::regclass and tgname like 'selecto%'",
    )
    const name = String(rows[0]!.name)
    for (const text of [
      `drop trigger ${name} on orders`,
      `alter table orders disable trigger ${name}`,
      "alter table orders disable trigger all",
      "alter table orders enable trigger all",
    ]) {
      await sql(text)
      if (mode === "events") {
        expect([text, await changes(database, "orders", async () => {})]).toEqual([text, true])
        expect((await trackingStatus(database)).relations.find((one) => one.name === "orders")?.blind).toContain("orders")
      }
      expect((await drift(database)).some(({ table, problem }) => table === "orders" && /missing|disabled/.test(problem))).toBe(
        true,
      )
      const report = await syncTracking(database)
      expect([text, report.failed, report.done.length > 0]).toEqual([text, [], true])
      expect(await changes(database, "orders", async () => {})).toBe(false)
      expect(
        await changes(database, "orders", () => sql("insert into orders values (1) on conflict (id) do update set total = 1")),
      ).toBe(true)
    }
    expect(await drift(database)).toEqual([])
  })

  test("a table that is renamed is still known, one that is dropped is forgotten, one made anew is not taken for it", async () => {
    await sql("alter table bystander rename to observer")
    await look()
    expect(await changes(database, "observer", () => sql("insert into observer values (1)"))).toBe(true)
    await syncTracking(database)
    expect((await trackingStatus(database)).relations.map(({ name }) => name)).toContain("observer")
    const [oid, mark] = [await oidOf(database, "observer"), await currentMark(database)]
    await sql("drop table observer")
    await look()
    expect(await changedSince(database, [oid], mark)).toBe(true)
    await sql("create table observer (id int)")
    expect(await changes(database, "observer", async () => {})).toBe(true)
    await syncTracking(database)
    expect((await trackingStatus(database)).relations.map(({ name }) => name)).not.toContain("observer")
  })

  test("our own schema going away is in nobody's way", async () => {
    await sql("drop schema selecto cascade")
    await sql("insert into orders values (99); create table afterwards (id int); drop table afterwards")
    expect(await trackingStatus(database)).toMatchObject({ installed: false })
    await expect(changedSince(database, [1], null)).rejects.toMatchObject({ code: "E_NOT_INSTALLED" })
  })
}

eachServer("DDL", (target) => {
  describe("told by event triggers", () => suite(target, "events"))
})
eachServer("DDL", (target) => {
  describe("looked for", () => suite(target, "polling"))
})
