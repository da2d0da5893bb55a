import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { type ViewService, viewService } from "../../src/views/index.ts"
import { eachServer } from "../support/each-server.ts"

const schema = `
create table region (id int primary key, name text not null);
create table sale (id int primary key, region_id int not null references region, total numeric not null, at timestamptz not null default '2024-03-01T23:30:00Z');
insert into region values (1, 'EU'), (2, 'US'), (3, 'APAC');
insert into sale select n, 1 + n % 3, n from generate_series(1, 300) n;
create function dice() returns int language sql volatile as 'select 4';
create function half(n numeric) returns numeric language sql immutable as 'select n / 2';
create view named_sale as select s.*, r.name as region from sale s join region r on r.id = s.region_id;
create schema reports;
`
const byRegion = `select r.name as region, count(*) as n, sum(s.total) as total from sale s join region r on r.id = s.region_id group by r.name`

eachServer("the life of a view", (target) => {
  let database: Database
  let views: ViewService
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)
  const rows = async (text: string): Promise<Record<string, unknown>[]> => (await target.sql.query(text)).rows

  beforeAll(async () => {
    await sql(schema)
    database = openDatabase(target.source)
    views = viewService(database)
  })
  afterAll(() => database.close())

  test("made, filled, with the unique index of its group keys; the same call again changes nothing", async () => {
    const made = await views.create({ name: "by_region", text: byRegion, refresh: "daily", track: true })
    expect(made).toMatchObject({ view: "public.by_region", outcome: "created", unique: ["region"], warnings: [] })
    expect(made.refresh).toMatchObject({ outcome: "refreshed", concurrently: false, rows: 3 })
    expect(made.refresh?.nextRun?.toISOString()).toMatch(/T03:00:00.000Z$/)
    expect(await rows("select * from by_region where region = 'EU'")).toHaveLength(1)
    const again = await views.create({
      name: "by_region",
      text: `  ${byRegion.toUpperCase().replaceAll("'", "'")};  -- the same`,
      refresh: "daily",
      track: true,
    })
    expect(again).toMatchObject({ outcome: "unchanged", unique: ["region"] })
    expect(await views.status("by_region")).toMatchObject({
      freshness: "exact",
      ageMs: 0,
      usable: true,
      tracked: true,
      rows: 3,
      uniqueIndex: true,
      problems: [],
      strategy: "cron 0 3 * * *",
    })
  })

  test("exact until something below it changes, and again after a refresh, which lets readers read on", async () => {
    await sql("insert into sale values (1001, 1, 5)")
    expect(await views.status("by_region")).toMatchObject({ freshness: "stale", usable: false })
    expect(await views.refresh("by_region")).toMatchObject({ outcome: "refreshed", concurrently: true })
    expect(await views.status("by_region")).toMatchObject({ freshness: "exact", usable: true })
    expect(await views.refresh("by_region")).toMatchObject({ outcome: "unchanged", durationMs: null })
    expect(await views.refresh("by_region", { force: true })).toMatchObject({ outcome: "refreshed" })
    expect(await rows("select n::int from by_region where region = 'EU'")).toEqual([{ n: 101 }])
  })

  test("definitions that no refresh could keep are refused with the reason, and leave nothing", async () => {
    const refused: [string, RegExp][] = [
      ["select now() as t", /now\(\)/],
      ["select current_date as d", /date/],
      ["select id, current_user as u from sale", /user/],
      ["select random() as r", /random\(\), which is volatile/],
      ["select id, public.dice() as d from sale", /public\.dice\(\), which is volatile.*STABLE/],
      ["select * from sale where at > now() - interval '1 day'", /now\(\)/],
      ["select * from sale tablesample system (10)", /sample/],
      ["select age(at) as a from sale", /age\(\)/],
    ]
    for (const [text, reason] of refused)
      await expect(views.create({ name: "never", text })).rejects.toMatchObject({
        code: "E_VIEW_NOT_KEEPABLE",
        message: expect.stringMatching(reason),
      })
    await expect(views.create({ name: "never", text: "select * from sale where id = $1" })).rejects.toMatchObject({
      code: "E_VIEW_PARAMETERS",
    })
    await expect(views.create({ name: "never", text: "select 1; select 2" })).rejects.toMatchObject({
      code: "E_SQL_STATEMENT_COUNT",
    })
    await expect(views.create({ name: "never", text: "delete from sale" })).rejects.toMatchObject({ code: "E_UNSUPPORTED_INPUT" })
    await expect(views.create({ name: "never", text: "select 1 as a", refresh: "often" as never })).rejects.toMatchObject({
      code: "E_INVALID_OPTION",
    })
    await expect(
      views.create({ name: "never", text: "select 1 as a", refresh: { scheduled: "61 * * * *" } }),
    ).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
    await expect(views.create({ name: "never", text: "select 1 as a", timezone: "Mars/Base" })).rejects.toMatchObject({
      code: "E_INVALID_OPTION",
    })
    await expect(views.create({ name: "sale", text: "select 1 as a" })).rejects.toMatchObject({ code: "E_NAME_TAKEN" })
    await expect(views.create({ name: "dup", text: "select region_id from sale", unique: ["region_id"] })).rejects.toMatchObject({
      code: "E_VIEW_DUPLICATES",
    })
    expect(await rows("select relname from pg_class where relkind = 'm' and relname <> 'by_region'")).toEqual([])
    expect(await rows("select name from selecto.views_view")).toEqual([{ name: "by_region" }])
  })

  test("what may be kept is: an age of two times, immutable functions, set-returning ones", async () => {
    const spans = await views.create({
      name: "spans",
      text: "select id, age(at, timestamptz '2020-01-01') as a, half(total) as h from sale",
    })
    expect(spans.unique).toEqual(["id"])
    const repeated = await views.create({
      name: "repeated",
      text: "select region_id, generate_series(1, 2) as g from sale group by region_id",
    })
    expect(repeated).toMatchObject({ unique: null, warnings: [expect.stringContaining("wait while it is refreshed")] })
    const one = await views.create({ name: "one_row", text: "select count(*) as n, sum(total) as total from sale" })
    expect(one.unique).toEqual(["n"])
    const sets = await views.create({
      name: "sets",
      text: "select region_id, at::date as day, count(*) from sale group by rollup (region_id, at::date)",
    })
    expect(sets.unique).toEqual(["region_id", "day"])
    expect(await views.refresh("sets", { concurrently: true })).toMatchObject({ outcome: "refreshed" })
    const distinct = await views.create({ name: "distinct_regions", text: "select distinct region_id, at from sale" })
    expect(distinct.unique).toEqual(["region_id", "at"])
    for (const name of ["spans", "repeated", "one_row", "sets", "distinct_regions"]) await views.drop(name)
  })

  test("the same day whatever the session's zone is", async () => {
    await views.create({
      name: "by_day",
      text: "select (at)::date as day, count(*) as n from sale where id <= 300 group by 1",
      timezone: "Asia/Tokyo",
    })
    expect(await rows("select day::text from by_day")).toEqual([{ day: "2024-03-02" }])
    await views.drop("by_day")
  })

  test("a diff, and a definition that differs", async () => {
    const other = { name: "by_region", text: "select r.id as region, r.name from region r" }
    expect(await views.diff(other)).toMatchObject({
      outcome: "differs",
      columns: { added: ["name"], removed: ["n", "total"], changed: [{ name: "region", from: "text", to: "integer" }] },
    })
    expect(await views.diff({ name: "by_region", text: byRegion })).toMatchObject({ outcome: "same" })
    expect(await views.diff({ name: "nothing_yet", text: byRegion })).toMatchObject({ outcome: "missing", present: null })
    expect(await views.diff({ name: "sale", text: byRegion })).toMatchObject({ outcome: "taken" })
    await expect(views.create(other)).rejects.toMatchObject({
      code: "E_VIEW_DIFFERS",
      message: expect.stringContaining("redefine()"),
    })
    await expect(views.status("by_regoin")).rejects.toMatchObject({ code: "E_UNKNOWN_VIEW", suggestions: ["by_region"] })
  })

  test("views on views: exact only when all below are, refreshed together in one transaction", async () => {
    await expect(views.create({ name: "above", text: "select region from by_region where n > 100" })).resolves.toMatchObject({
      outcome: "created",
    })
    await views.drop("above")
    await views.create({ name: "above", text: "select region from by_region where n > 100", track: true })
    expect((await views.status("above")).freshness).toBe("exact")
    await sql("insert into sale values (1002, 2, 5), (1003, 2, 5)")
    expect((await views.status("above")).freshness).toBe("stale")
    // Alone it is filled from the old rows below it.
    await views.refresh("above")
    expect((await views.status("above")).freshness).toBe("stale")
    const both = await views.refreshAll(["above", "by_region"])
    expect(both.map(({ view, outcome }) => [view, outcome])).toEqual([
      ["public.by_region", "refreshed"],
      ["public.above", "refreshed"],
    ])
    expect((await views.status("above")).freshness).toBe("exact")
    await sql("delete from sale where id > 1000")
    expect((await views.refresh("above", { upstream: true })).outcome).toBe("refreshed")
    expect((await views.list()).map(({ name, freshness }) => [name, freshness])).toEqual([
      ["above", "exact"],
      ["by_region", "exact"],
    ])
    await expect(views.drop("by_region")).rejects.toMatchObject({
      code: "E_VIEW_IN_USE",
      message: expect.stringContaining("materialized view public.above"),
    })
    await views.drop("above")
  })

  test("through a plain view: when it is replaced, what the view means may have changed", async () => {
    await views.create({
      name: "through",
      text: "select region, sum(total) as total from named_sale group by region",
      track: true,
    })
    expect((await views.status("through")).freshness).toBe("exact")
    await sql("update region set name = 'Europe' where id = 1")
    expect((await views.status("through")).freshness).toBe("stale")
    await views.refresh("through")
    expect((await views.status("through")).freshness).toBe("exact")
    await sql(
      "create or replace view named_sale as select s.*, upper(r.name) as region from sale s join region r on r.id = s.region_id",
    )
    await views.work()
    expect((await views.status("through")).freshness).toBe("stale")
    await views.refresh("through")
    expect((await rows("select region from through order by 1"))[0]).toEqual({ region: "APAC" })
    await views.drop("through")
  })

  describe("behind our back", () => {
    test("refreshed, emptied, renamed, dropped", async () => {
      await sql("refresh materialized view by_region")
      const refreshed = await views.status("by_region")
      expect(refreshed.freshness).toBe("stale")
      expect(refreshed.problems).toEqual([expect.stringContaining("Somebody else has refreshed")])
      expect(await views.refresh("by_region")).toMatchObject({ outcome: "refreshed" })
      await sql("refresh materialized view by_region with no data")
      expect(await views.status("by_region")).toMatchObject({ freshness: "empty", usable: false })
      await expect(views.refresh("by_region", { concurrently: true })).rejects.toMatchObject({ code: "E_VIEW_NOT_CONCURRENT" })
      expect(await views.refresh("by_region")).toMatchObject({ outcome: "refreshed", concurrently: false })
      await sql("alter materialized view by_region rename to regional")
      await views.work()
      expect(await views.status("regional")).toMatchObject({ name: "regional", freshness: "exact" })
      await sql("drop materialized view regional")
      expect(await views.list()).toMatchObject([{ name: "regional", freshness: "missing", usable: false }])
    })

    test("a base column's type is changed by dropping and making the view again: that one is another view", async () => {
      const text = "select kind, sum(size) as size from parcel group by kind"
      await sql("create table parcel (kind text, size int); insert into parcel values ('a', 1), ('b', 2)")
      await views.create({ name: "kept", text, track: true })
      await expect(sql("alter table parcel alter column size type float8")).rejects.toThrow(/used by a view/)
      await sql(
        `drop materialized view kept; alter table parcel alter column size type float8; create materialized view kept as ${text}`,
      )
      expect(await views.list()).toMatchObject([{ name: "kept", freshness: "missing" }, { name: "regional" }])
      await expect(views.create({ name: "kept", text, track: true })).rejects.toMatchObject({ code: "E_NAME_TAKEN" })
      await sql("drop materialized view kept")
      expect(await views.create({ name: "kept", text, track: true })).toMatchObject({ outcome: "created" })
      expect(await views.list()).toMatchObject([{ name: "kept", freshness: "exact" }, { name: "regional" }])
      await views.drop("kept")
      expect(await views.drop("regional")).toEqual({ view: "public.regional", outcome: "forgotten" })
      expect(await views.list()).toEqual([])
      await expect(views.drop("regional")).rejects.toMatchObject({ code: "E_UNKNOWN_VIEW" })
    })
  })

  test("an adopted view is kept, and let go of without harm", async () => {
    await sql("create materialized view reports.theirs as select id, name from region with no data")
    await expect(views.status("reports.theirs")).rejects.toMatchObject({ code: "E_UNKNOWN_VIEW" })
    await views.adopt("reports.theirs", { refresh: { every: "15m" }, maxStaleness: "1h" })
    await expect(views.adopt("reports.theirs")).rejects.toMatchObject({ code: "E_NAME_TAKEN" })
    expect(await views.status("reports.theirs")).toMatchObject({ freshness: "empty", origin: "adopted", asOf: null })
    const refreshed = await views.refresh("reports.theirs")
    expect(refreshed).toMatchObject({ outcome: "refreshed", concurrently: false, rows: 3 })
    expect(await views.status("reports.theirs")).toMatchObject({
      freshness: "unknown",
      usable: true,
      problems: [expect.stringContaining("no unique index")],
    })
    expect(await views.drop("reports.theirs")).toEqual({ view: "reports.theirs", outcome: "released" })
    expect(await rows("select count(*)::int as n from reports.theirs")).toEqual([{ n: 3 }])
    await expect(views.drop("reports.theirs")).rejects.toMatchObject({ code: "E_NAME_TAKEN" })
  })

  test("on demand: only what is older than it may be", async () => {
    await views.create({ name: "asked", text: "select id from region", refresh: { onDemand: { maxAge: "1h" } } })
    expect(await views.refresh("asked")).toMatchObject({ outcome: "recent" })
    await sql("update selecto.views_view set verified_at = now() - interval '2 hours' where name = 'asked'")
    expect(await views.refresh("asked")).toMatchObject({ outcome: "refreshed" })
    await views.drop("asked")
  })

  test("work: what is due, once; what fails is tried again after a pause, and stops nobody else", async () => {
    await sql("create table broken (n int); insert into broken values (1)")
    await views.create({ name: "due", text: "select id from region", refresh: "hourly" })
    await views.create({ name: "fails", text: "select 10 / n as q from broken", refresh: "hourly" })
    await sql("update broken set n = 0")
    expect((await views.work()).refreshed).toEqual([])
    await sql("update selecto.views_view set next_run = now() - interval '5 hours' where name in ('due', 'fails')")
    const report = await views.work()
    expect(report.refreshed.map(({ view, outcome }) => [view, outcome])).toEqual([["public.due", "refreshed"]])
    expect(report.failed).toMatchObject([{ views: ["public.fails"], error: { sqlState: "22012" } }])
    const { nextRun, failure, problems } = await views.status("fails")
    expect(failure).toMatchObject({ times: 1 })
    expect(problems[0]).toContain("DivisionByZero")
    expect(nextRun!.getTime() - Date.now()).toBeLessThan(31_000)
    // Five missed runs are one.
    expect((await views.status("due")).nextRun!.getTime()).toBeGreaterThan(Date.now())
    expect((await views.work()).refreshed).toEqual([])
    await sql("update broken set n = 2")
    await views.refresh("fails")
    expect((await views.status("fails")).failure).toBeNull()
    await views.drop("due")
    await views.drop("fails")
  })

  test("another definition takes the place of the first: grants, and the views that read it, go on", async () => {
    await sql(
      "create table fact (id int primary key, kind text, n int); insert into fact select i, 'k' || i % 3, i from generate_series(1, 30) i",
    )
    await views.create({
      name: "facts",
      text: "select kind, count(*) as n from fact group by kind",
      track: true,
      refresh: "hourly",
    })
    await sql(`create role reader_of_${target.version}_${target.kind}; grant select on facts to reader_of_${target.version}_${target.kind};
      create view busy with (security_barrier = true) as select kind from facts where n > 3`)
    const spec = {
      name: "facts",
      text: "select kind, count(*) as n, sum(n) as total from fact group by kind",
      track: true,
    } as const
    const redefined = await views.redefine({ ...spec, refresh: "daily" })
    expect(redefined).toMatchObject({ view: "public.facts", outcome: "redefined", unique: ["kind"] })
    expect(await rows("select kind, total::int from facts order by 1")).toEqual([
      { kind: "k0", total: 165 },
      { kind: "k1", total: 145 },
      { kind: "k2", total: 155 },
    ])
    await sql("insert into fact values (31, 'k9', 1), (32, 'k9', 1), (33, 'k9', 1), (34, 'k9', 1)")
    expect(await views.refresh("facts")).toMatchObject({ outcome: "refreshed", concurrently: true })
    // The view over it reads the new one.
    expect(await rows("select kind from busy where kind = 'k9'")).toHaveLength(1)
    expect(await rows("select reloptions from pg_class where relname = 'busy'")).toEqual([
      { reloptions: ["security_barrier=true"] },
    ])
    expect(await rows("select relname from pg_class where relname like 'facts%' order by 1")).toEqual([
      { relname: "facts" },
      { relname: "facts_kind_idx" },
    ])
    expect(
      await rows(`select has_table_privilege('reader_of_${target.version}_${target.kind}', 'facts', 'select') as may`),
    ).toEqual([{ may: true }])
    expect(await views.status("facts")).toMatchObject({ freshness: "exact", strategy: "cron 0 3 * * *", problems: [] })
    // A column that a view needs.
    await expect(views.redefine({ ...spec, text: "select kind from fact group by kind" })).rejects.toMatchObject({
      code: "E_DATABASE",
    })
    await sql("create materialized view upper_one as select kind from facts")
    await expect(views.redefine({ ...spec, text: "select kind, 1 as n from fact group by kind" })).rejects.toMatchObject({
      code: "E_VIEW_IN_USE",
      message: expect.stringContaining("public.upper_one"),
    })
    expect(await views.status("facts")).toMatchObject({ freshness: "exact" })
    expect((await views.redefine({ ...spec, refresh: "daily" })).outcome).toBe("unchanged")
    await sql(
      `drop materialized view upper_one; drop view busy; drop owned by reader_of_${target.version}_${target.kind}; drop role reader_of_${target.version}_${target.kind}`,
    )
    await views.drop("facts")
  })

  test("a query is rewritten over what is kept, and the proof of freshness may stand in it", async () => {
    await sql(
      "create table trade (id int primary key, kind text not null, at timestamptz not null, n int not null); insert into trade select i, 'k' || i % 5, timestamptz '2024-01-01 22:30Z' + i * interval '1 hour', i from generate_series(1, 500) i; analyze trade",
    )
    const text =
      "select kind, (at at time zone 'Asia/Tokyo')::date as day, count(*) as n, sum(n) as total from trade group by 1, 2"
    await views.create({ name: "trades", text, track: true, timezone: "Asia/Tokyo" })
    await views.create({ name: "aged", text: "select kind, max(n) as n from trade group by kind", maxStaleness: "1h" })
    const query = "select kind, sum(n) as total from trade group by kind"
    const found = await views.rewrite(query, { judge: "semantics" })
    expect(found).toMatchObject({ text: expect.any(String), views: ["public.trades"] })
    const guarded = `select * from (${found.text}) v where selecto.views_fresh('trades'::regclass) order by kind`
    expect(await rows(guarded)).toEqual(await rows(`${query} order by kind`))
    await sql("insert into trade values (501, 'k1', '2024-05-05', 1)")
    expect(await rows(guarded)).toEqual([])
    for (const name of ["trades", "aged"]) await views.drop(name)
  })

  test("what nobody reads is set aside first, can be had back, and is dropped when nobody missed it", async () => {
    for (const name of ["read", "unread", "below"]) await views.create({ name, text: "select id, name from region" })
    await sql("create view over_below as select id from below; create materialized view foreign_one as select 1 as a")
    await views.adopt("foreign_one")
    const verdicts = async (options: Parameters<typeof views.cleanup>[0]): Promise<unknown> =>
      Object.fromEntries(
        (await views.cleanup(options)).map(({ view, action, done }) => [
          view.replace("public.", ""),
          `${action}${done ? ", done" : ""}`,
        ]),
      )
    expect(await verdicts({ apply: true })).toEqual({ below: "keep", foreign_one: "keep", read: "keep", unread: "keep" })
    await sql(
      "update selecto.views_view set created_at = now() - interval '40 days'; update selecto.views_view set read_at = now() where name = 'read'",
    )
    expect(await verdicts({})).toEqual({ below: "keep", foreign_one: "keep", read: "keep", unread: "quarantine" })
    expect(await verdicts({ apply: true })).toMatchObject({ unread: "quarantine, done" })
    await expect(rows("select * from unread")).rejects.toThrow(/does not exist/)
    expect(await verdicts({ apply: true })).toMatchObject({ unread: "keep" })
    expect(await views.restore("unread")).toEqual({ view: "public.unread" })
    // Asked of the catalog: to read it would be a use of it.
    expect(await rows("select relispopulated as filled from pg_class where oid = 'unread'::regclass")).toEqual([{ filled: true }])
    await expect(views.restore("unread")).rejects.toMatchObject({ code: "E_UNKNOWN_VIEW" })
    await sql("update selecto.views_view set read_at = null where name = 'unread'")
    await views.cleanup({ apply: true })
    await sql("update selecto.views_view set quarantined_at = now() - interval '8 days' where former_name = 'unread'")
    expect(await verdicts({})).toMatchObject({ unread: "drop" })
    expect(await verdicts({ apply: true })).toMatchObject({
      unread: "drop, done",
      below: "keep",
      foreign_one: "keep",
      read: "keep",
    })
    expect(await rows("select relname from pg_class where relkind = 'm' and relname like '%unread%'")).toEqual([])
    await sql("drop view over_below")
    for (const name of ["read", "below", "foreign_one"]) await views.drop(name)
  })
})
