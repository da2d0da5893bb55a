import pg from "pg"
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest"
import { connect } from "../../../src/client/connect.ts"
import type { Selecto } from "../../../src/client/selecto.ts"
import type { Database } from "../../../src/database/database.ts"
import { openDatabase } from "../../../src/database/open.ts"
import type { Alert, AlertOption } from "../../../src/monitor/index.ts"
import { eachServer } from "../../support/each-server.ts"
import { startServer, urlOf } from "../../support/server.ts"
import { serverMissing, serverVersions } from "../../support/servers.ts"
import { testClock } from "../clock.ts"
import { type Watched, watched } from "../watched.ts"

/** Each rule that judges by the server, on a real one in the state that it is about. */
eachServer(
  "alerts of a real server",
  (target) => {
    let database: Database
    let one: Watched
    const told: Alert[] = []

    const limits: readonly AlertOption[] = [
      { type: "missing_index", for: 0 },
      { type: "duplicate_index" },
      { type: "invalid_index" },
      { type: "unused_index", threshold: 0 },
      { type: "high_memory", threshold: "1MB", action: "notify" },
      { type: "idle_in_transaction", threshold: 200 },
      { type: "long_transaction", threshold: 300 },
      { type: "lock_wait", threshold: 100 },
      { type: "deadlocks" },
      { type: "vacuum_lag", for: 0 },
      { type: "wraparound", threshold: 1e-12, critical: 0.9 },
      { type: "sequence_exhaustion" },
      { type: "stale_statistics", for: 0 },
      { type: "slot_wal", threshold: 1 },
    ]

    beforeAll(async () => {
      await target.sql.exec(`
        create extension pg_stat_statements;
        create table orders (id serial primary key, customer_id int not null, note text) with (autovacuum_enabled = false);
        insert into orders (customer_id, note) select n % 1000, repeat('n', 30) from generate_series(1, 120000) n;
        create table tiny (id int primary key, x int); insert into tiny select n, n from generate_series(1, 50) n;
        analyze orders; analyze tiny;
        create sequence small_seq as smallint; select setval('small_seq', 30000);
      `)
      database = openDatabase(target.source, { maxConnections: 20 })
      one = watched(database, { alerts: limits })
      one.monitor.on("alert", (alert) => told.push(alert))
      await one.judge()
    })
    afterAll(async () => {
      await one.monitor.close()
      await database.close()
    })

    const firing = (type: string) => one.monitor.alerts().filter((alert) => alert.type === type && alert.state === "firing")
    const own = async (): Promise<pg.Client> => {
      const client = await target.server.client()
      onTestFinished(() => client.end())
      return client
    }
    /** Until the statistics of other sessions have arrived. */
    const judgedUntil = async (type: string, work: () => Promise<unknown> = async () => {}) => {
      await expect
        .poll(
          async () => {
            await work()
            await one.judge()
            return firing(type).length
          },
          { timeout: 30_000, interval: 200 },
        )
        .toBeGreaterThan(0)
      return firing(type)
    }

    test("missing_index carries advice that the advisor has verified; a tiny table is left alone", async () => {
      const client = await own()
      const load = async () => {
        for (let n = 0; n < 30; n++) await client.query("select note from orders where customer_id = $1", [n])
        for (let n = 0; n < 300; n++) await client.query("select x from tiny where x = $1", [n])
      }
      await load()
      // Before 17 a statement counts from the second time that it is seen.
      await one.round()
      const [alert, ...others] = await judgedUntil("missing_index", load)
      expect(others).toEqual([])
      expect(alert).toMatchObject({ subject: "public.orders", severity: "warning", actionError: null })
      expect(alert!.value).toBeLessThan(0.1)
      expect(alert!.recommendations).toMatchObject([
        { table: "orders", columns: ["customer_id"], confidence: "verified", evidence: { costBefore: expect.any(Number) } },
      ])
      const { costBefore, costAfter } = alert!.recommendations![0]!.evidence!
      expect(costAfter).toBeLessThan(costBefore / 5)
      expect(told.find(({ type }) => type === "missing_index")!.recommendations).toHaveLength(1)
    })

    test("lock_wait shows the tree: three sessions behind one, one of them behind another", async () => {
      const [root, second, third, fourth] = await Promise.all([own(), own(), own(), own()])
      await root.query("begin; update tiny set x = 0 where id = 1")
      const waits: Promise<unknown>[] = [second.query("begin; update tiny set x = 1 where id = 1")]
      const blocked = async (n: number) =>
        expect
          .poll(async () => (await target.sql.query("select count(*)::int as n from pg_locks where not granted")).rows[0]!.n)
          .toBeGreaterThanOrEqual(n)
      await blocked(1)
      waits.push(third.query("begin; alter table tiny add column y int"))
      await blocked(2)
      waits.push(fourth.query("select count(*) from tiny"))
      await blocked(3)
      const [alert] = await judgedUntil("lock_wait")
      const tree = alert!.evidence.tree as string[]
      expect(tree.map((line) => /^ */.exec(line)![0].length / 2)).toEqual([0, 1, 2, 3])
      expect(tree[0]).toContain("idle in transaction")
      expect(tree[3]).toMatch(/SELECT tiny, waits \d+ s for AccessShareLock on tiny/)
      expect(one.monitor.server()!.locks).toMatchObject({ waiting: 3, trees: [{ waiters: [{ waiters: [{ waiters: [{}] }] }] }] })
      expect(one.monitor.server()!.load!.waits.map(({ type }) => type)).toContain("Lock")
      await root.query("rollback")
      await waits[0]
      await second.query("rollback")
      await waits[1]
      await third.query("rollback")
      await waits[2]
    })

    test("idle_in_transaction and long_transaction name the owner and the statement, and never a value", async () => {
      const client = await own()
      await client.query("set application_name = 'forgetful'")
      await client.query("begin")
      await client.query("select note from orders where note = 'secret-value' limit 1")
      const [idle] = await judgedUntil("idle_in_transaction")
      expect(idle!.summary).toMatch(/forgetful, user postgres.*after SELECT orders/)
      expect(JSON.stringify(one.monitor.alerts())).not.toContain("secret-value")
      expect(one.monitor.server()!.transactions!.longestIdle).toMatchObject({ application: "forgetful" })
      const busy = await own()
      const work = busy.query("select pg_sleep(3), 'secret-value'")
      await judgedUntil("long_transaction")
      expect(JSON.stringify([one.monitor.alerts(), one.monitor.server()])).not.toContain("secret-value")
      await client.query("rollback")
      await work
    })

    test("deadlocks are counted", async () => {
      const [a, b] = await Promise.all([own(), own()])
      await a.query("begin; update tiny set x = 2 where id = 2")
      await b.query("begin; update tiny set x = 3 where id = 3")
      const outcome = await Promise.allSettled([
        a.query("update tiny set x = 2 where id = 3"),
        b.query("update tiny set x = 3 where id = 2"),
      ])
      expect(outcome.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"])
      await a.query("rollback")
      await b.query("rollback")
      expect(await judgedUntil("deadlocks")).toMatchObject([{ summary: expect.stringContaining("1 deadlock") }])
    })

    test("indexes: duplicate, invalid and unused ones come with the statement that mends it", async () => {
      await target.sql.exec("create index orders_note on orders (note); create index orders_note_id on orders (note, id)")
      await target.sql.query("insert into tiny values (100, 7), (101, 7)").catch(() => {})
      await target.sql.query("create unique index concurrently tiny_broken on tiny (x)").catch(() => {})
      one.clock.advance(3_600_000)
      expect(await judgedUntil("duplicate_index")).toMatchObject([
        { subject: "public.orders_note", evidence: { sql: "DROP INDEX CONCURRENTLY public.orders_note" } },
      ])
      expect(await judgedUntil("invalid_index")).toMatchObject([
        { subject: "public.tiny_broken", evidence: { sql: "REINDEX INDEX CONCURRENTLY public.tiny_broken" } },
      ])
      // Only those above 10 MB; here there is none.
      expect(firing("unused_index")).toEqual([])
      expect(one.monitor.server()!.upkeep!.unused.map(({ index }) => index)).toContain("orders_note_id")
    })

    test("upkeep: dead rows, stale statistics, wraparound, sequences, slots", async () => {
      await target.sql.exec("update orders set note = 'changed'")
      expect(await judgedUntil("vacuum_lag")).toMatchObject([
        { subject: "public.orders", summary: expect.stringContaining("which is off for it") },
      ])
      expect(await judgedUntil("stale_statistics")).toMatchObject([{ subject: "public.orders" }])
      expect((await judgedUntil("wraparound")).map(({ subject }) => subject)).toContain(target.server.name)
      expect(await judgedUntil("sequence_exhaustion")).toMatchObject([
        { subject: "public.small_seq", severity: "critical", summary: expect.stringContaining("30,000 of 32,767") },
      ])
      const slot = `slot_${target.server.name}`
      await target.sql.query("select pg_create_physical_replication_slot($1, true)", [slot])
      onTestFinished(async () => {
        await target.sql.query("select pg_drop_replication_slot($1)", [slot])
      })
      await target.sql.exec("create table much as select repeat('m', 1000) from generate_series(1, 5000)")
      expect((await judgedUntil("slot_wal")).map(({ subject }) => subject)).toContain(slot)
    })

    test("high_memory sees what a statement writes to temporary files", async () => {
      const client = await own()
      await client.query("set work_mem = '64kB'")
      const load = () => client.query("select * from orders order by note, customer_id, id")
      await load()
      await one.judge()
      await load()
      const [alert] = await judgedUntil("high_memory")
      expect(alert).toMatchObject({ summary: expect.stringMatching(/SELECT orders .* writes .* MB to temporary files per call/) })
    })
  },
  { pglite: false },
)

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`alerts of a whole server, PostgreSQL ${version}`, () => {
    test("connections: a warning, then critical, then over", async () => {
      const server = await startServer(version, {
        max_connections: "43",
        superuser_reserved_connections: "3",
        max_wal_senders: "0",
        wal_level: "minimal",
      })
      // One or two of the connections are ours.
      const database = openDatabase(urlOf(server, "postgres"), { maxConnections: 2 })
      const one = watched(database, { alerts: [{ type: "connections", for: 0 }], alertTimes: { clear: 0 } })
      const clients: pg.Client[] = []
      onTestFinished(async () => {
        await Promise.all(clients.map((client) => client.end()))
        await one.monitor.close()
        await database.close()
        await server.stop()
      })
      const open = async (n: number) => {
        while (clients.length < n) {
          const client = new pg.Client({ connectionString: urlOf(server, "postgres") })
          client.on("error", () => {})
          await client.connect()
          clients.push(client)
        }
      }
      const told: string[] = []
      one.monitor.on("alert", ({ state, severity }) => told.push(`${state} ${severity}`))
      await one.judge()
      expect(told).toEqual([])
      await open(32)
      await one.judge()
      expect(told).toEqual(["firing warning"])
      await open(37)
      await one.judge()
      expect(told).toEqual(["firing warning", "firing critical"])
      expect(one.monitor.server()!.connections!.usable).toBe(40)
      await Promise.all(clients.splice(0).map((client) => client.end()))
      await expect
        .poll(async () => {
          await one.judge()
          return told.at(-1)
        })
        .toBe("resolved critical")
    })
  })

eachServer("alerts of calls", (target) => {
  let selecto: Selecto
  const clock = testClock()
  const told: Alert[] = []
  const lines: string[] = []
  const sent: string[] = []

  beforeAll(async () => {
    await target.sql.exec(`
      create table if not exists film (id int primary key, length int, title text);
      insert into film select n, n % 200, repeat('t', 50) from generate_series(1, 4000) n;
      analyze film;
    `)
    selecto = connect(target.source, {
      monitor: {
        clock,
        eventLoopDelay: false,
        slowQueryMs: 100,
        alerts: [
          { type: "slow_query", threshold: 200, action: "optimize_query" },
          { type: "error_rate", for: 0 },
        ],
        notify: [{ name: "test", send: async ({ alerts }) => void sent.push(...alerts.map(({ alert }) => alert.type)) }],
        logger: { warn: (line) => lines.push(line), info: (line) => lines.push(line) },
      },
    })
    selecto.monitor.on("alert", (alert) => told.push(alert))
  })
  afterAll(() => selecto.close())

  test("a slow call is told soon, by itself, with what is wrong in its plan, and without its values", async () => {
    const text =
      "select a.id from film a where a.title <> $1 and a.length <= (select max(b.length) from film b where b.id < a.id and b.title <> $2)"
    await selecto.statement(text, ["secret-one", "secret-two"]).execute()
    await expect.poll(() => told.length, { timeout: 30_000 }).toBe(1)
    expect(told[0]).toMatchObject({
      type: "slow_query",
      state: "firing",
      severity: "warning",
      summary: expect.stringMatching(/^SELECT film \([0-9a-f]{16}\) took /),
      actionError: null,
    })
    expect(told[0]!.issues!.length).toBeGreaterThan(0)
    expect(told[0]!.issues!.map(({ issue }) => issue)).toEqual(expect.arrayContaining([expect.stringMatching(/subplan/)]))
    expect(sent).toEqual(["slow_query"])
    expect(lines).toHaveLength(1)
    expect(JSON.stringify([told, lines])).not.toContain("secret")
    expect(selecto.monitor.alerts()).toMatchObject([{ type: "slow_query", state: "firing" }])
    expect(selecto.monitor.plans(told[0]!.fingerprint!)).toMatchObject({ latest: { kind: "values" }, shapes: [{ samples: 1 }] })
  })

  test("errors are told by their class", async () => {
    for (let n = 0; n < 150; n++) await selecto.statement("select 1").execute()
    for (let n = 0; n < 10; n++)
      await selecto
        .statement("insert into film values (1)")
        .execute()
        .catch(() => {})
    clock.advance(60_000)
    await selecto.monitor.collect()
    const alert = selecto.monitor.alerts().find(({ type }) => type === "error_rate")
    expect(alert).toMatchObject({ subject: "23", state: "firing", summary: expect.stringContaining("INSERT film") })
  })

  test("silence: followed, and told to nobody", async () => {
    const end = selecto.monitor.silence({ type: "error_rate", for: "1h" })
    expect(selecto.monitor.alerts().find(({ type }) => type === "error_rate")).toMatchObject({ silenced: true })
    end()
    expect(selecto.monitor.alerts().find(({ type }) => type === "error_rate")).toMatchObject({ silenced: false })
    expect(() => selecto.monitor.silence({ for: "1h" })).toThrow(expect.objectContaining({ code: "E_INVALID_OPTION" }))
  })

  test("a listener that throws is counted, and goes no further", async () => {
    const stop = selecto.monitor.on("alert", () => {
      throw new Error("listener")
    })
    for (const hours of [5, 1]) {
      selecto.monitor.recorder.roll()
      clock.advance(hours * 3_600_000)
      selecto.monitor.recorder.roll()
      await selecto.monitor.collect()
    }
    stop()
    expect(
      told
        .filter(({ state }) => state === "resolved")
        .map(({ type }) => type)
        .sort(),
    ).toEqual(["error_rate", "slow_query"])
    expect(selecto.monitor.health().listenerErrors).toBeGreaterThan(0)
  })
})
