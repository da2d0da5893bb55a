import pg from "pg"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { stream } from "../../src/execution/stream.ts"
import { checkHints, hintStage } from "../../src/hints/index.ts"
import { serverTarget } from "../support/each-server.ts"
import { type PgBouncer, pgbouncerMissing, startPgbouncer } from "../support/pgbouncer.ts"
import { serverMissing } from "../support/servers.ts"
import { databaseOf, hintsOf, requestOf, runHinted, shop, twoTables } from "./support.ts"

const watched = [
  "work_mem",
  "enable_nestloop",
  "random_page_cost",
  "max_parallel_workers_per_gather",
  "join_collapse_limit",
  "client_min_messages",
  "lock_timeout",
]

describe.skipIf(pgbouncerMissing() || serverMissing(18))("through PgBouncer in transaction mode", () => {
  const target = serverTarget(18, shop)
  let bouncer: PgBouncer
  const url = (): string => `postgresql://postgres@127.0.0.1:${bouncer.port}/${target.server.name}`
  let database: Database
  let neighbour: pg.Client

  beforeAll(async () => {
    // One server connection: whoever comes next has ours.
    bouncer = await startPgbouncer(target.server.server, "transaction", 1)
    database = openDatabase(url())
    neighbour = new pg.Client({ connectionString: url() })
    await neighbour.connect()
  })
  afterAll(async () => {
    await neighbour?.end()
    await database?.close()
    await bouncer?.stop()
  })

  const state = async (): Promise<Record<string, unknown>> => {
    const columns = watched.map((name) => `current_setting('${name}') as ${name}`).join(", ")
    const { rows } = await neighbour.query(`select pg_backend_pid() as pid, ${columns}`)
    return rows[0]
  }
  const hints = hintsOf(
    ["work_mem", "123MB"],
    ["disable_nested_loop", ["o", "c"]],
    ["random_page_cost", 9],
    ["parallel_workers", 3],
    ["join_order", ["c", "o"]],
  )

  test("the neighbour has the connection that we had, and sees none of our settings", async () => {
    const before = await state()
    const { rows } = await runHinted(
      database,
      `select pg_backend_pid() as pid, current_setting('work_mem') as mem from (${twoTables} limit 1) q`,
      [],
      hintsOf(["work_mem", "123MB"]),
    )
    expect(rows).toEqual([{ pid: before.pid, mem: "123MB" }])
    expect(await state()).toEqual(before)
  })

  test.each<[string, () => Promise<unknown>]>([
    ["a run with every mechanism", () => runHinted(database, twoTables, [], hints)],
    [
      "a failing statement",
      () =>
        runHinted(database, `select 1 / (o.id - o.id) from orders o join customers c on c.id = o.customer_id`, [], hints).catch(
          () => "failed",
        ),
    ],
    [
      "a statement that times out",
      () =>
        runHinted(database, "select pg_sleep(3) from orders o join customers c on c.id = o.customer_id limit 1", [], hints, {
          timeoutMs: 50,
        }).catch(() => "late"),
    ],
    ["a check", () => checkHints(database, { text: twoTables, values: [] }, hints)],
    ["a check that runs the statement", () => checkHints(database, { text: twoTables, values: [] }, hints, { analyze: true })],
    [
      "a stream that is left early",
      async () => {
        const request = await hintStage(database).prepare!(requestOf(twoTables, [], hints))
        for await (const _ of stream(database, async () => request, { batchSize: 10 })) break
      },
    ],
  ])("nor after %s", async (_what, use) => {
    const before = await state()
    await use()
    const after = await state()
    expect({ ...after, pid: 0 }).toEqual({ ...before, pid: 0 })
    expect(after.work_mem).toBe("4MB")
  })

  test("this would notice: a session's SET does reach the neighbour", async () => {
    const before = await state()
    const session = await database.acquire()
    await session.query({ text: "set work_mem = '99MB'", values: [] })
    session.release()
    expect((await state()).work_mem).toBe("99MB")
    await neighbour.query("reset work_mem")
    expect(await state()).toEqual(before)
  })
})

describe.skipIf(serverMissing(18))("a pool of one connection", () => {
  const target = serverTarget(18, shop)
  test("settings are gone when it is used again", async () => {
    const database = databaseOf(target)
    try {
      await runHinted(database, twoTables, [], hintsOf(["work_mem", "123MB"]))
      expect((await database.queryText({ text: "show work_mem", values: [] })).rows).toEqual([["4MB"]])
    } finally {
      await database.close()
    }
  })
})
