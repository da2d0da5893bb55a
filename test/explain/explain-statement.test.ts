import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import {
  analyzeQueryPlan,
  catalogOfPlan,
  checkPlans,
  explainStatement,
  namedStatements,
  parseBaseline,
  planMatchers,
  planNodes,
} from "../../src/explain/index.ts"
import { eachServer } from "../support/each-server.ts"
import type { Template } from "../support/test-database.ts"
import "../../src/vitest.ts"

const schema: Template = {
  name: "explain_statement",
  async build(filler) {
    await filler.exec(`
      create table film (id int primary key, title text not null, length int not null, note varchar(20));
      insert into film select g, 'Film ' || g, g % 180, 'n' || g from generate_series(1, 60000) g;
      create index film_length on film (length);
      create sequence counted;
      create function writes() returns int language plpgsql volatile as $f$ begin insert into film values (0, 'x', 1); return 1; end $f$;
      create table studio (id int primary key);
      create table made (id int, studio_id int references studio);
      analyze film;`)
  },
}
const lookup = { text: "select * from film where id = $1", values: [5] }

eachServer(
  "explainStatement",
  (target) => {
    let database: Database
    const major = (): number => (target.kind === "pglite" ? 18 : target.version)
    beforeAll(() => {
      database = openDatabase(target.source)
    })
    afterAll(() => database.close())
    const count = async (): Promise<number> => Number((await target.sql.query("select count(*) from film")).rows[0]!.count)

    it("gives the plan, its values bound", async () => {
      const plan = await explainStatement(database, lookup)
      expect(plan.root).toMatchObject({
        type: "Index Scan",
        relation: { name: "film", schema: "public" },
        index: "film_pkey",
        actual: null,
      })
    })
    it("runs and measures with analyze", async () => {
      const plan = await explainStatement(database, lookup, { analyze: true })
      expect(plan.root.actual).toMatchObject({ rows: 1, loops: 1 })
      expect(plan.executionTime).toBeGreaterThan(0)
      expect(plan.totals!.sharedHit + plan.totals!.sharedRead).toBeGreaterThan(0)
    })
    it("gives the server's text", async () => {
      expect(await explainStatement(database, lookup, { format: "text" })).toMatch(
        /^Index Scan using film_pkey on film {2}\(cost=/,
      )
    })
    it("without analyze nothing runs", async () => {
      await explainStatement(database, { text: "select nextval('counted'), writes()", values: [] })
      await explainStatement(database, { text: "delete from film", values: [] })
      expect((await target.sql.query("select is_called from counted")).rows[0]!.is_called).toBe(false)
      expect(await count()).toBe(60_000)
    })
    it.each([
      "delete from film where id < 10",
      "select writes()",
      "with d as (delete from film returning id) select count(*) from d",
      "select * from film where id = 1 for update",
    ])("refuses to run what writes: %s", async (text) => {
      await expect(explainStatement(database, { text, values: [] }, { analyze: true })).rejects.toMatchObject({
        code: "E_EXPLAIN_WRITES",
      })
      expect(await count()).toBe(60_000)
    })
    it("or runs it and rolls back", async () => {
      const plan = await explainStatement(
        database,
        { text: "delete from film where id < 10", values: [] },
        { analyze: true, writes: "rollback" },
      )
      expect(plan.root).toMatchObject({ type: "ModifyTable", actual: { loops: 1 } })
      expect(await count()).toBe(60_000)
    })
    it("inside an open transaction leaves it as it was", async () => {
      const session = await database.acquire()
      try {
        await session.query({ text: "begin", values: [] })
        await session.query({ text: "insert into film values (-1, 'kept', 1)", values: [] })
        await explainStatement(
          database,
          { text: "delete from film where id < 10", values: [] },
          { analyze: true, writes: "rollback", transaction: session },
        )
        await expect(
          explainStatement(database, { text: "delete from film", values: [] }, { analyze: true, transaction: session }),
        ).rejects.toMatchObject({ code: "E_EXPLAIN_WRITES" })
        await session.query({ text: "insert into film values (-2, 'too', 1)", values: [] })
        const { rows } = await session.query<{ n: string | number; timeout: string }>({
          text: "select count(*) n, current_setting('lock_timeout') timeout from film",
          values: [],
        })
        expect(Number(rows[0]!.n)).toBe(60_002)
        expect(rows[0]!.timeout).toBe("0")
      } finally {
        await session.query({ text: "rollback", values: [] })
        session.release()
      }
    })
    it("plans for unknown values", async () => {
      const plan = await explainStatement(
        database,
        { text: "select * from film where length = $1 and id > $2", values: [] },
        { genericPlan: true },
      )
      expect(JSON.stringify([...planNodes(plan.root)].map((node) => node.raw))).toContain("$1")
    })
    it("passes settings on, for this statement only", async () => {
      const plan = await explainStatement(database, lookup, { local: { enable_indexscan: "off", enable_bitmapscan: "off" } })
      expect(plan.root.type).toBe("Seq Scan")
      expect(plan.settings.enable_indexscan).toBe("off")
      expect((await explainStatement(database, lookup)).root.type).toBe("Index Scan")
    })
    it("refuses what the server does not have, and what cannot go together", async () => {
      const asked = explainStatement(database, lookup, { analyze: true, serialize: true })
      if (major() < 17) await expect(asked).rejects.toMatchObject({ code: "E_NOT_SUPPORTED" })
      else expect((await asked).serialization).not.toBeNull()
      await expect(explainStatement(database, lookup, { wal: true })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
        path: "wal",
      })
      await expect(explainStatement(database, lookup, { analyze: true, genericPlan: true })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
      })
    })
    it("a fault of the statement is the server's, and the session stays usable", async () => {
      await expect(explainStatement(database, { text: "select nothing from nowhere", values: [] })).rejects.toMatchObject({
        sqlState: "42P01",
      })
      await expect(
        explainStatement(database, { text: "select 1; delete from film", values: [] }, { analyze: true }),
      ).rejects.toMatchObject({ sqlState: "42601" })
      expect((await explainStatement(database, { text: "select 1 -- a comment", values: [] })).root.type).toBe("Result")
    })
    it.skipIf(target.kind === "pglite")("is stopped by its timeout and by a signal", async () => {
      const slow = { text: "select pg_sleep(30)", values: [] }
      await expect(explainStatement(database, slow, { analyze: true, timeoutMs: 200 })).rejects.toMatchObject({
        code: "E_TIMEOUT",
      })
      const stop = new AbortController()
      const running = explainStatement(database, slow, { analyze: true, signal: stop.signal })
      setImmediate(() => stop.abort())
      await expect(running).rejects.toMatchObject({ code: "E_ABORTED" })
    })
    it("confirms a finding by the catalog", async () => {
      const plan = await explainStatement(
        database,
        { text: "select id from film where note = 'n77'", values: [] },
        { analyze: true },
      )
      const [alone] = analyzeQueryPlan(plan)
      const [held] = analyzeQueryPlan(plan, { catalog: await catalogOfPlan(database, plan) })
      expect(alone).toMatchObject({ issue: "sequential_scan", confirmed: false })
      expect(held).toMatchObject({ issue: "sequential_scan", confirmed: true, table: "film" })
    })

    describe("the gate", () => {
      const slow = [{ name: "by title", text: "select id from film where title = 'Film 7'" }]
      it("stops a plan that got worse, and lets it pass when it is better", async () => {
        await target.sql.exec("create index film_title on film (title)")
        const first = await checkPlans(database, slow, null)
        expect(first.checks[0]).toMatchObject({ verdict: "new" })
        expect(first.regressions).toEqual([])
        const baseline = parseBaseline(JSON.stringify(first.baseline))
        expect((await checkPlans(database, slow, baseline)).checks[0]!.verdict).toBe("same")
        await target.sql.exec("drop index film_title")
        const worse = await checkPlans(database, slow, baseline)
        expect(worse.regressions).toHaveLength(1)
        expect(worse.checks[0]!.issues.map((issue) => issue.issue)).toContain("sequential_scan")
        expect(worse.markdown).toContain("| ❌ regressed | by title |")
        await target.sql.exec("create index film_title on film (title)")
        expect((await checkPlans(database, slow, worse.baseline)).checks[0]!.verdict).toBe("better")
        await target.sql.exec("drop index film_title")
      })
      it("a statement that cannot be planned any more fails, one that is gone is told", async () => {
        const { baseline } = await checkPlans(
          database,
          [
            { name: "a", text: "select 1" },
            { name: "b", text: "select $1::int" },
          ],
          null,
        )
        const report = await checkPlans(database, [{ name: "a", text: "select missing from film" }], baseline)
        expect(report.checks.map((check) => [check.name, check.verdict])).toEqual([
          ["a", "failed"],
          ["b", "gone"],
        ])
        expect(report.regressions).toHaveLength(1)
        expect(Object.keys(report.baseline.statements)).toEqual(["a"])
      })
      it("names the statements of files", async () => {
        const files = [
          { name: "one.sql", text: "select 1;" },
          { name: "more.sql", text: "-- name: films\nselect * from film;\n\nselect ';' ;" },
        ]
        expect((await namedStatements(files)).map((one) => one.name)).toEqual(["one.sql", "films", "more.sql#2"])
      })
    })

    it("teaches Vitest two matchers", async () => {
      const query = (text: string) => ({
        explain: (options: object = {}) => explainStatement(database, { text, values: [] }, options),
      })
      await expect(query("select * from film where id = 5")).toUseIndex("film_pkey")
      await expect(query("select * from film where note = 'n5'")).not.toUseIndex("film_pkey")
      await expect(query("select * from film where id = 5")).toHaveNoPlanIssues()
      const bad = await planMatchers.toHaveNoPlanIssues(query("select * from film where note = 'n5'"), {
        analyze: true,
        severity: "low",
      })
      expect(bad.pass).toBe(false)
      expect(bad.message()).toContain("sequential_scan")
    })
  },
  { template: schema },
)
