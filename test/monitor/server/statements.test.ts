import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../../src/database/database.ts"
import { openDatabase } from "../../../src/database/open.ts"
import { fingerprint } from "../../../src/sql/index.ts"
import { eachServer } from "../../support/each-server.ts"
import { type Watched, watched } from "../watched.ts"

eachServer(
  "statements of the server",
  (target) => {
    let database: Database
    let one: Watched

    beforeAll(async () => {
      await target.sql.exec(`
        create extension pg_stat_statements;
        create table film (id int primary key, title text not null, at timestamptz not null default now());
        insert into film select n, 'film ' || n from generate_series(1, 20000) n;
        analyze film;
      `)
      database = openDatabase(target.source)
      one = watched(database)
      await one.round()
    })
    afterAll(async () => {
      await one.monitor.close()
      await database.close()
    })

    const find = async (text: string) => {
      const wanted = await fingerprint(text)
      return one.monitor.server()!.statements!.find((statement) => statement.fingerprint === wanted)
    }

    test("mean and deviation are those of the window, not of all time", async () => {
      const sleep = (seconds: number) => target.sql.query("select pg_sleep($1)", [seconds])
      const lifetime = async () => {
        const { rows } = await target.sql.query(
          `select calls::float8 as n, mean_exec_time as mean, stddev_exec_time as deviation from pg_stat_statements
           where query = 'select pg_sleep($1)' and dbid = (select oid from pg_database where datname = current_database())`,
        )
        return rows[0] as { n: number; mean: number; deviation: number }
      }
      // All time: fast. The window: much slower, and unsteady.
      for (let n = 0; n < 40; n++) await sleep(0.001)
      const before = await lifetime()
      await one.round()
      one.clock.advance(3_600_000)
      for (const seconds of [0.02, 0.03, 0.04, 0.3]) await sleep(seconds)
      await one.round()
      const after = await lifetime()
      const statement = (await find("select pg_sleep(1)"))!
      // Chan, Golub and LeVeque's rule for the parts of a variance.
      const n = after.n - before.n
      const mean = (after.mean * after.n - before.mean * before.n) / n
      const squares =
        after.deviation ** 2 * after.n - before.deviation ** 2 * before.n - ((mean - before.mean) ** 2 * before.n * n) / after.n
      expect(statement).toMatchObject({ calls: 4, source: "pg_stat_statements", summary: "SELECT" })
      expect(statement.mean).toBeCloseTo(mean, 6)
      expect(statement.mean).toBeGreaterThan(3 * after.mean)
      expect(statement.deviation).toBeCloseTo(Math.sqrt(squares / n), 4)
      expect(statement.deviation).toBeGreaterThan(100)
      expect(statement.p95AtMost).toBeCloseTo(statement.mean + Math.sqrt(19) * statement.deviation, 6)
    })

    test("several ids of the server are one statement of ours, joined with the calls of this process", async () => {
      const spellings = [
        "select title from film where id in (1, 2)",
        "select title from film where id in (3, 4, 5)",
        "select  title from public.film where id in (6)",
      ]
      for (const text of spellings) await target.sql.query(text)
      await one.round()
      for (const text of spellings)
        for (let n = 0; n < 4; n++) {
          await target.sql.query(text)
          one.monitor.recorder.record(text, 1, 0, 1, 0, 1, -1, null, null, "statement", null)
        }
      await one.monitor.ready()
      await one.round()
      const statement = (await find(spellings[0]!))!
      expect(statement.calls).toBeGreaterThanOrEqual(12)
      // 18 takes no notice of the length of a list, nor of the schema where it is the one that is searched.
      expect(statement.queryIds.length).toBeGreaterThanOrEqual(target.version >= 18 ? 1 : 2)
      const mine = one.monitor.metrics().find((metrics) => metrics.fingerprint === statement.fingerprint)!
      expect(mine.calls).toBe(12)
      expect(mine.server).toMatchObject({ calls: statement.calls, fingerprint: mine.fingerprint })
      expect(mine.coverage!.statements).toMatchObject({ hidden: 0, unidentified: 0 })
      expect(mine.indexHits).toMatchObject({ source: "pg_stat_user_tables", relativeError: 0 })
      expect(mine.rowsExamined).toMatchObject({ source: "its tables, all statements on them", relativeError: null, max: null })
    })

    test("blocks, temporary files and log are counted where the version has them", async () => {
      const work = "select title from film order by title, at desc, id"
      await target.sql.query("set work_mem = '64kB'")
      await target.sql.query(work)
      await one.round()
      one.clock.advance(3_600_000)
      await target.sql.query(work)
      await target.sql.query("reset work_mem")
      await one.round()
      const statement = (await find(work))!
      expect(statement.calls).toBe(1)
      expect(statement.rows).toBe(20_000)
      expect(statement.sharedHitBytes).toBeGreaterThan(8192 * 50)
      expect(statement.tempWrittenBytes).toBeGreaterThan(200_000)
      expect(statement.ioTime).toBe(null)
      expect(statement.planTime).toBe(null)
      expect(statement.jitTime === null).toBe(target.version < 15)
      expect(one.monitor.server()!.gaps.map((gap) => gap.what)).toContain("time spent waiting for blocks")
    })

    test("no constant is shown, not even those of commands that the server keeps as they were", async () => {
      await target.sql.query("create role nobody_at_all password 'secret-1'").catch(() => {})
      await target.sql.query("select title from film where title = 'secret-2' and at > now() - interval '17 days'")
      await target.sql.query("drop role if exists nobody_at_all")
      await target.sql.query("create table if not exists hidden as select 'secret-3' as x")
      await one.round()
      await target.sql.query("select title from film where title = 'secret-2' and at > now() - interval '17 days'")
      await target.sql.query("drop table hidden")
      await one.round()
      const shown = JSON.stringify(one.monitor.server())
      expect(shown).not.toMatch(/secret|17 days/)
      // Known though the server's own text of it, interval $2, is no SQL.
      expect(await find("select title from film where title = 'x' and at > now() - interval '1 day'")).toMatchObject({
        summary: "SELECT film",
      })
    })

    test("our own statements are left out, and counted as what watching costs", async () => {
      await one.round()
      await one.round()
      expect(one.monitor.server()!.statements!.filter(({ text }) => text?.includes("pg_stat"))).toEqual([])
      expect(one.monitor.health().collector!.serverTime).toBeGreaterThan(0)
    })

    test("statistics reset by somebody else: what is counted since counts, and it is said", async () => {
      const text = "select count(*) from film where id < 5"
      for (let n = 0; n < 10; n++) await target.sql.query(text)
      await one.round()
      one.clock.advance(3_600_000)
      await target.sql.query(
        "select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)",
      )
      for (let n = 0; n < 4; n++) await target.sql.query(text)
      await one.round()
      const statement = await find(text)
      // Fewer calls than before are a reset; 17 also says since when.
      expect(statement).toMatchObject({ calls: 4 })
      expect(one.monitor.server()!.coverage.statements).toMatchObject({ complete: false })
      expect(one.monitor.server()!.coverage.statements!.resets).toBeGreaterThan(0)
    })

    test("a table that gets an index shows it in the share of its scans", async () => {
      await flushed(target)
      await one.round()
      const table = () => one.monitor.server({ window: "1m" })!.tables!.find((each) => each.table === "film")!
      for (let n = 0; n < 5; n++) await target.sql.query("select count(*) from film where title = 'film 7'")
      await flushed(target)
      await one.round()
      expect(table()).toMatchObject({ rows: 20_000, seqScans: 5, seqRows: 100_000, indexScanShare: 0 })
      await target.sql.exec("create index film_title on film (title)")
      for (let n = 0; n < 5; n++) await target.sql.query("select count(*) from film where title = 'film 7'")
      await flushed(target)
      await one.round()
      expect(table().indexScans).toBe(5)
      expect(table().indexScanShare).toBeGreaterThan(0.8)
      const index = one.monitor.server({ window: "1m" })!.indexes!.find((each) => each.index === "film_title")!
      expect(index.bytes).toBeGreaterThan(8192)
      await target.sql.exec("drop index film_title")
    })
  },
  { pglite: false },
)

/** Statistics of a session reach the others when it is idle; before 15 through a process of their own. */
async function flushed(target: { readonly sql: { query(text: string): Promise<unknown> } }): Promise<void> {
  // The second statement begins after the first has reported.
  await target.sql.query("select pg_sleep(1.1)")
  await target.sql.query("select 1")
}
