import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { monitorPorts } from "../../src/client/monitor-ports.ts"
import { type Selecto, selectoOf } from "../../src/client/selecto.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { explainStatement, parsePlan } from "../../src/explain/index.ts"
import { createMonitor, type Monitor } from "../../src/monitor/index.ts"
import { operatorMemory, rowsExamined } from "../../src/monitor/plans/measure.ts"
import { PlanLog } from "../../src/monitor/plans/plan-log.ts"
import { mayRunAgain, readsOnly } from "../../src/monitor/plans/readable.ts"
import { fingerprint } from "../../src/sql/index.ts"
import { eachServer } from "../support/each-server.ts"
import { type TestClock, testClock } from "./clock.ts"

/** An object with some of its methods replaced. */
function wrapped<T extends object>(real: T, own: Partial<T>): T {
  const get = (_: T, name: string | symbol): unknown => {
    const value: unknown = Reflect.get(name in own ? own : real, name, real)
    return typeof value === "function" ? value.bind(real) : value
  }
  return new Proxy(real, { get })
}

eachServer("plans of slow statements", (target) => {
  let database: Database
  let monitor: Monitor
  let selecto: Selecto
  let clock: TestClock
  const sent: string[] = []

  beforeAll(async () => {
    await target.sql.exec(`
      create table film (id int primary key, length int not null, title text not null);
      insert into film select n, n % 500, 'film ' || n from generate_series(1, 20000) n;
      create index film_length on film (length);
      create table log (at timestamptz default now(), what text);
      create function leave_a_trace() returns int language plpgsql volatile as 'begin insert into log (what) values (''trace''); return 1; end';
      create view traced as select *, leave_a_trace() as trace from film;
      analyze film;
    `)
    const opened = openDatabase(target.source)
    // What is sent, past the library's own reading of the catalog.
    database = wrapped(opened, {
      acquire: async (...options) => {
        const session = await opened.acquire(...options)
        return wrapped(session, {
          batch: (...batch) => {
            sent.push(...batch[0].map(({ text }) => text))
            return session.batch(...batch)
          },
        })
      },
    })
    clock = testClock()
    const made = createMonitor(
      { clock, eventLoopDelay: false, slowQueryMs: 0, plans: { analyze: true }, logger: false },
      monitorPorts(database),
    )
    monitor = made.service
    selecto = selectoOf(database, {}, [made.stage], { monitor })
  })
  afterAll(() => selecto.close())

  const run = async (text: string, values: readonly unknown[] = []): Promise<string> => {
    await selecto.statement(text, values).execute()
    await monitor.ready()
    monitor.watch.sampler!.settle()
    await monitor.watch.sampler!.drain()
    return fingerprint(text)
  }
  const later = () => clock.advance(600_000)

  test("a slow statement is planned with the values of its call, read only, and measured where that was asked for", async () => {
    sent.length = 0
    const key = await run("select title from film where length = $1 order by title", [7])
    const { latest, shapes } = monitor.plans(key)
    expect(latest).toMatchObject({ kind: "values", plan: { root: { type: "Sort" } } })
    expect(shapes).toMatchObject([{ samples: 1, kind: "values" }])
    // The shape is without literals and estimates.
    expect(shapes[0]!.shape).not.toMatch(/\d{2}/)
    const explains = sent.filter((text) => text.startsWith("EXPLAIN"))
    expect(explains).toHaveLength(2)
    expect(explains[0]).not.toContain("ANALYZE")
    expect(explains[1]).toContain("ANALYZE")
    expect(sent.filter((text) => text.startsWith("BEGIN"))).toEqual([
      "BEGIN READ ONLY /* selecto:explain */",
      "BEGIN READ ONLY /* selecto:explain */",
    ])
    expect(sent.filter((text) => text.includes("set_config"))).toHaveLength(4)
    const metrics = monitor.metrics().find((one) => one.fingerprint === key)!
    expect(metrics.rowsExamined).toEqual({ avg: 40, max: 40, source: "plans, sampled", n: 1, relativeError: null })
    expect(metrics.memoryUsage).toMatchObject({ source: "operator memory, sampled", n: 1 })
    expect(metrics.memoryUsage!.peak).toBeGreaterThan(1024)
  })

  test("at most one plan of a statement in ten minutes", async () => {
    const key = await run("select title from film where length = $1 order by title", [8])
    expect(monitor.plans(key).shapes).toMatchObject([{ samples: 1 }])
    later()
    await run("select title from film where length = $1 order by title", [9])
    expect(monitor.plans(key).shapes).toMatchObject([{ samples: 2 }])
  })

  test("what writes is not explained; what calls a volatile function, a view's too, is not run", async () => {
    sent.length = 0
    const writes = [
      "insert into log (what) values ($1)",
      "with gone as (delete from log returning *) select * from gone where what = $1",
    ]
    for (const text of writes) expect(monitor.plans(await run(text, ["x"])).latest).toBeNull()
    expect(sent.filter((text) => text.startsWith("EXPLAIN"))).toEqual([])
    const before = (await target.sql.query("select count(*)::int as n from log")).rows[0]!.n
    const key = await run("select id, trace from traced where id = $1", [5])
    expect(monitor.plans(key).latest!.plan.root.actual).toBeNull()
    expect((await target.sql.query("select count(*)::int as n from log")).rows[0]!.n).toBe((before as number) + 1)
    expect(sent.filter((text) => text.includes("ANALYZE"))).toEqual([])
  })

  test("a plan that changed is told from one that is only another value's", async () => {
    later()
    const text = "select count(*) from film where length < $1"
    const key = await run(text, [5])
    expect(monitor.plans(key).shapes).toHaveLength(1)
    later()
    await run(text, [400])
    // New to the statement: a value that takes most of the table.
    expect(monitor.plans(key).shapes).toHaveLength(2)
    expect(monitor.watch.sampler!.log.changes()).toMatchObject([
      { fingerprint: key, summary: expect.stringContaining("became Seq Scan on film") },
    ])
    const before = monitor.watch.sampler!.log.changes()[0]!.at
    later()
    await run(text, [5])
    later()
    await run(text, [400])
    // Both are known by now: going from one to the other is no change.
    expect(monitor.watch.sampler!.log.changes()[0]!.at).toBe(before)
    later()
    await target.sql.exec("drop index film_length")
    await run("select title from film where length = $1 order by title", [477])
    const changes = monitor.watch.sampler!.log.changes()
    expect(changes).toHaveLength(2)
    expect(changes[1]!.summary).not.toContain("477")
    await target.sql.exec("create index film_length on film (length)")
  })

  test("hints and settings of the query are in force", async () => {
    later()
    const text = "select f.title from film f where f.length = $1"
    await selecto.statement(text, [3]).hint("random_page_cost", 1000).execute()
    await monitor.ready()
    monitor.watch.sampler!.settle()
    await monitor.watch.sampler!.drain()
    expect(monitor.plans(await fingerprint(text)).latest!.plan.root.type).toBe("Seq Scan")
  })

  test("a statement that only a pool has seen is planned without values", async () => {
    later()
    const text = "select title from film where length = $1 and title > $2"
    monitor.recorder.record(text, 50, 0, 50, 0, 1, -1, null, null, "pool", null)
    await monitor.ready()
    monitor.watch.sampler!.settle()
    await monitor.watch.sampler!.drain()
    const { latest } = monitor.plans(await fingerprint(text))
    expect(latest).toMatchObject({ kind: "generic" })
    expect(JSON.stringify(latest!.plan)).toContain("$1")
  })

  test("a statement that cannot be planned is a failure that is counted, and no more", async () => {
    const { failed } = monitor.health().plans!
    await target.sql.exec("create table short_lived (x int)")
    later()
    await run("select x from short_lived where x = $1", [1])
    await target.sql.exec("drop table short_lived")
    later()
    monitor.recorder.record("select x from short_lived where x = $1", 50, 0, 50, 0, 1, -1, null, null, "pool", null)
    await monitor.watch.sampler!.drain()
    expect(monitor.health().plans).toMatchObject({ failed: failed + 1, waiting: 0 })
  })

  test("functions that a plan calls are looked up, whatever they are called in", async () => {
    const plan = (text: string) => explainStatement(database, { text, values: [] })
    const again = async (text: string) => mayRunAgain(database, await plan(text), 5000)
    expect(await again("select upper(title) from film where length(title) > 3 and now() > 'epoch'")).toBe(true)
    expect(await again("select title from film order by random()")).toBe(false)
    expect(await again("select * from generate_series(1, leave_a_trace())")).toBe(false)
    expect(await again("select id from film where leave_a_trace() = 1")).toBe(false)
    expect(await again("select id from film for update")).toBe(false)
  })
})

describe("what reads only", () => {
  test.each([
    ["select 1", true],
    ["with a as (select 1) select * from a", true],
    ["values (1)", true],
    ["select * into b from a", false],
    ["update a set b = 1", false],
    ["with a as (insert into b values (1) returning *) select * from a", false],
    ["select 1; drop table a", false],
    ["drop table a", false],
    ["no sql at all", false],
  ])("%s: %s", async (text, reads) => expect(await readsOnly(text)).toBe(reads))
})

describe("what a run measured", () => {
  const plan = (node: object) => parsePlan(JSON.stringify([{ Plan: node, "Execution Time": 1 }]))

  test("memory of sorts, hashes and stores, in every process; what went to disk is no memory", () => {
    const leaf = { "Node Type": "Seq Scan", "Relation Name": "t", "Actual Rows": 10, "Actual Loops": 1, "Plan Rows": 1 }
    const measured = plan({
      "Node Type": "Sort",
      "Sort Space Used": 100,
      "Sort Space Type": "Memory",
      "Actual Rows": 1,
      "Actual Loops": 1,
      Workers: [
        { "Worker Number": 0, "Sort Space Used": 50, "Sort Space Type": "Memory" },
        { "Worker Number": 1, "Sort Space Used": 5000, "Sort Space Type": "Disk" },
      ],
      Plans: [
        {
          "Node Type": "Hash",
          "Peak Memory Usage": 25,
          "Actual Rows": 1,
          "Actual Loops": 1,
          Plans: [
            {
              "Node Type": "WindowAgg",
              Storage: "Memory",
              "Maximum Storage": 17,
              "Actual Rows": 1,
              "Actual Loops": 1,
              Plans: [leaf],
            },
          ],
        },
      ],
    })
    expect(operatorMemory(measured)).toBe((100 + 50 + 25 + 17) * 1024)
    expect(operatorMemory(plan({ "Node Type": "Result" }))).toBeNull()
  })

  test("rows looked at, those that were thrown away included, once for each loop", () => {
    const measured = plan({
      "Node Type": "Nested Loop",
      "Actual Rows": 1,
      "Actual Loops": 1,
      Plans: [
        { "Node Type": "Seq Scan", "Relation Name": "a", "Actual Rows": 10, "Actual Loops": 1, "Rows Removed by Filter": 90 },
        {
          "Node Type": "Bitmap Heap Scan",
          "Relation Name": "b",
          "Actual Rows": 2,
          "Actual Loops": 10,
          "Rows Removed by Index Recheck": 3,
          Plans: [{ "Node Type": "Bitmap Index Scan", "Index Name": "i", "Actual Rows": 5, "Actual Loops": 10 }],
        },
      ],
    })
    expect(rowsExamined(measured)).toBe(100 + 50)
  })
})

test("shapes of an earlier process are known: the difference is told without its plan", () => {
  const log = new PlanLog()
  const shape = { fingerprint: "f", kind: "values" as const, hash: "old", firstSeen: 1, lastSeen: 2, samples: 3, cost: 1 }
  log.restore([{ ...shape, shape: "1 Index Scan|film|film_length" }])
  const plan = parsePlan(JSON.stringify([{ Plan: { "Node Type": "Seq Scan", "Relation Name": "film", Alias: "film" } }]))
  expect(log.add({ fingerprint: "f", kind: "values", plan, at: 1, wall: 3 })).toMatchObject({
    before: "old",
    summary: "gone: Index Scan on film using film_length; new: Seq Scan on film.",
  })
  expect(log.takeUnsaved().map(({ samples }) => samples)).toEqual([1])
  expect(log.takeUnsaved()).toEqual([])
})
