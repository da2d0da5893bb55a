import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type ChangeNotice, listenForChanges, parseNotice, syncTracking, track } from "../../src/changes/index.ts"
import type { ChangeListener } from "../../src/changes/listener.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { oidOf, until } from "./support.ts"

describe("parseNotice", () => {
  test("reads what our triggers send", () => {
    expect(parseNotice("16385 731")).toEqual({ relation: 16385, xid: 731n, keys: null })
    expect(parseNotice("0 99999999999999")).toEqual({ relation: 0, xid: 99999999999999n, keys: null })
    expect(parseNotice('16385 731 {"a": ["1", null], "b é": ["x y"]}')).toEqual({
      relation: 16385,
      xid: 731n,
      keys: new Map([
        ["a", ["1", null]],
        ["b é", ["x y"]],
      ]),
    })
  })
  test("takes nothing else for a notice", () => {
    for (const payload of ["", "hello", "16385", "x 731", "16385 731 {broken", "16385 731 [1]", "16385 731 extra"])
      expect(parseNotice(payload)).toBeNull()
  })
})

eachServer("notices", (target) => {
  let database: Database
  let listener: ChangeListener
  const heard: ChangeNotice[] = []
  /** What is told of a table by what `work` does. */
  const told = async (table: string, work: () => Promise<unknown>): Promise<ChangeNotice[]> => {
    const oid = await oidOf(database, table)
    await listener.settled()
    heard.length = 0
    await work()
    await listener.settled()
    return heard.filter(({ relation }) => relation === oid)
  }
  const keysOf = (notices: readonly ChangeNotice[]): unknown =>
    notices.map(({ keys }) =>
      keys === null ? null : Object.fromEntries([...keys].map(([name, values]) => [name, [...values].sort()])),
    )
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)

  beforeAll(async () => {
    await sql(`create type state as enum ('open', 'done');
      create domain code as text;
      create table orders (id int primary key, customer_id bigint, "Ref ""x""" uuid, state state, code code, total numeric, plain int);
      create table logs (id int, at date, customer_id int) partition by range (at);
      create table logs_2024 partition of logs for values from ('2024-01-01') to ('2025-01-01');
      create table dull (id int)`)
    database = openDatabase(target.source)
    await track(
      database,
      [{ table: "orders", keys: ["customer_id", 'Ref "x"', "state", "code"] }, { table: "logs", keys: ["customer_id"] }, "dull"],
      { notify: true, log: false },
    )
    let up = false
    listener = listenForChanges(database, {
      onUp: () => {
        up = true
      },
      onChange: (notice) => heard.push(notice),
      onDown: () => {},
    })
    await until("the listener", () => up)
  })
  afterAll(async () => {
    await listener.close()
    await database.close()
  })

  test("a commit is told once for each table, a rollback not", async () => {
    expect(await told("dull", () => sql("begin; insert into dull values (1); insert into dull values (2); commit"))).toHaveLength(
      1,
    )
    expect(await told("dull", () => sql("begin; insert into dull values (1); rollback"))).toEqual([])
    expect(await told("dull", () => sql("begin; savepoint a; insert into dull values (1); rollback to a; commit"))).toEqual([])
    expect(await told("dull", () => sql("delete from dull where false"))).toEqual([])
    expect(await told("dull", () => sql("truncate dull"))).toMatchObject([{ keys: null }])
  })

  test("the transaction is told as it knows itself", async () => {
    let xid: unknown
    const notices = await told("dull", async () => {
      const { rows } = await target.sql.query("insert into dull values (1) returning pg_current_xact_id()::text as xid")
      xid = rows[0]!.xid
    })
    expect(notices).toMatchObject([{ xid: BigInt(String(xid)) }])
  })

  test("keys of changed rows, old and new, whatever their type", async () => {
    const uuid = "6f0a8b2e-6a43-4b6f-9f2c-7b1d3c1e0a55"
    expect(keysOf(await told("orders", () => sql(`insert into orders values (1, 7, '${uuid}', 'open', 'it''s "x"')`)))).toEqual([
      { customer_id: ["7"], 'Ref "x"': [uuid], state: ["open"], code: [`it's "x"`] },
    ])
    expect(keysOf(await told("orders", () => sql("update orders set customer_id = 8")))).toMatchObject([
      { customer_id: ["7", "8"] },
    ])
    expect(keysOf(await told("orders", () => sql("update orders set plain = 1")))).toMatchObject([{ customer_id: ["8"] }])
    expect(keysOf(await told("orders", () => sql("insert into orders (id) values (2)")))).toMatchObject([{ customer_id: [null] }])
    expect(keysOf(await told("orders", () => sql("delete from orders where id = 1")))).toMatchObject([{ customer_id: ["8"] }])
    expect(keysOf(await told("orders", () => sql("update orders set plain = 5 where false")))).toEqual([])
    expect(
      keysOf(await told("orders", () => sql("begin; delete from orders where false; update orders set plain = 4; commit"))),
    ).toMatchObject([{ customer_id: [null] }])
    expect(
      keysOf(await told("orders", () => sql("insert into orders values (2, 3) on conflict (id) do update set customer_id = 4"))),
    ).toEqual([{ customer_id: ["4", null], 'Ref "x"': [null], state: [null], code: [null] }])
  })

  test("through a partition, and its parent", async () => {
    for (const name of ["logs", "logs_2024"])
      expect(keysOf(await told("logs", () => sql(`insert into ${name} values (1, '2024-05-05', 42)`)))).toEqual([
        { customer_id: ["42"] },
      ])
    expect(keysOf(await told("logs", () => sql("truncate logs_2024")))).toEqual([null])
  })

  test("too many values of a column leave it out, too many rows, bytes or notices leave all out", async () => {
    const insert = (n: number, customer: string, code = "'c'"): string =>
      `insert into orders (id, customer_id, code) select 1000 + g, ${customer}, ${code} from generate_series(1, ${n}) g`
    const clear = "delete from orders"
    const after = async (text: string): Promise<unknown> => {
      const notices = keysOf(await told("orders", () => sql(text)))
      await sql(clear)
      return notices
    }
    expect(await after(insert(20, "g"))).toMatchObject([{ customer_id: expect.objectContaining({ length: 20 }), code: ["c"] }])
    const [{ customer_id, code }] = (await after(insert(21, "g"))) as [{ customer_id?: unknown; code?: unknown }]
    expect([customer_id, code]).toEqual([undefined, ["c"]])
    expect(await after(insert(1000, "1"))).toMatchObject([{ customer_id: ["1"] }])
    expect(await after(insert(1001, "1"))).toEqual([null])
    expect(await after(insert(5, "1", "repeat('é', 1000) || g"))).toEqual([null])
    const many = Array.from({ length: 100 }, (_, n) => `insert into orders (id, customer_id) values (${n + 1}, ${n + 1})`)
    const notices = (await after(`begin; ${many.join(";")}; commit`)) as unknown[]
    expect(notices).toHaveLength(33)
    expect(notices.filter((keys) => keys === null)).toHaveLength(1)
  })

  test("a column that is renamed or dropped: writes go on, and any value may have changed", async () => {
    await sql("create table fluid (id int, k int, m int)")
    await track(database, [{ table: "fluid", keys: ["k", "m"] }], { notify: true, log: false })
    expect(keysOf(await told("fluid", () => sql("insert into fluid values (1, 2, 3)")))).toEqual([{ k: ["2"], m: ["3"] }])
    await sql("alter table fluid rename column k to kk")
    expect(keysOf(await told("fluid", () => sql("insert into fluid values (1, 2, 3)")))).toEqual([null])
    await sql("alter table fluid drop column m")
    expect(keysOf(await told("fluid", () => sql("update fluid set kk = 5")))).toEqual([null])
    // Whatever a writer sets, the worst is that too much is told.
    await sql("alter table fluid rename column kk to k; alter table fluid add column m int")
    for (const setting of ["1000", "junk", "-5"])
      expect(
        (await told("fluid", () => sql(`set selecto.told = '${setting}'; update fluid set m = 1; reset selecto.told`))).length,
      ).toBe(1)
  })

  test("columns that cannot be keys are refused, with the reason", async () => {
    await sql(`create table unkeyable (n numeric, f float8, at timestamptz, c char(3), j jsonb, a int[])`)
    for (const key of ["n", "f", "at", "c", "j", "a"])
      await expect(track(database, [{ table: "unkeyable", keys: [key] }], { notify: true })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
        message: expect.stringContaining("several texts"),
      })
    await expect(track(database, [{ table: "dull", keys: ["idd"] }], { notify: true })).rejects.toMatchObject({
      code: "E_INVALID_OPTION",
      suggestions: ["id"],
    })
  })

  test("a transaction in two phases cannot notify, so it can write what is only logged", async ({ skip }) => {
    if (target.kind === "pglite") return skip("one session only")
    await sql("create table logged (id int)")
    await track(database, ["logged"])
    const prepare = (table: string): Promise<unknown> => sql(`begin; insert into ${table} values (1); prepare transaction 'two'`)
    await expect(prepare("dull")).rejects.toMatchObject({ message: expect.stringContaining("PREPARE") })
    await sql("rollback")
    await prepare("logged")
    await sql("commit prepared 'two'")
  })

  test("DDL is told as relation 0", async () => {
    heard.length = 0
    await sql("create table later (id int)")
    await syncTracking(database)
    await listener.settled()
    expect(heard.some(({ relation }) => relation === 0)).toBe(true)
  })
})
