import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { ParallelOptions } from "../../src/parallel/index.ts"
import { pgliteTarget } from "../support/each-server.ts"
import { type PgBouncer, pgbouncerMissing, startPgbouncer } from "../support/pgbouncer.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { reportOf, workshop } from "./support.ts"
import { trickyTables } from "./tables.ts"

describe("options that cannot be meant", () => {
  const query = connect("postgresql://nobody@127.0.0.1:1/none").statement("select 1")
  const wrong: Record<string, object> = {
    "workers: 0": { workers: 0 },
    "workers: -1": { workers: -1 },
    "workers: 1.5": { workers: 1.5 },
    "workers: text": { workers: "4" },
    "batchSize: 0": { batchSize: 0 },
    "maxWorkers: 0": { maxWorkers: 0 },
    "coordinationTimeoutMs: 0": { coordinationTimeoutMs: 0 },
    "batchStrategy: fast": { batchStrategy: "fast" },
    "merge: mix": { merge: "mix" },
    "where: here": { where: "here" },
    "consistency: some": { consistency: "some" },
    "workerMemory: 1kB": { workerMemory: "1kB" },
    "workerMemory: many": { workerMemory: "many" },
    "partition: both": { partition: { hash: "a", range: "b" } },
    "partition: empty": { partition: { hash: "" } },
    "partition: other": { partition: { list: "a" } },
    "custom: text": { partition: { custom: "k = 1" } },
    "settings: without a dot": { settings: ["work_mem"] },
    "a misspelt one": { worker: 4 },
    null: null as never,
  }
  for (const [name, options] of Object.entries(wrong))
    test(name, () => {
      expect(() => query.parallel(options as ParallelOptions)).toThrow(expect.objectContaining({ code: "E_INVALID_OPTION" }))
      if (options !== null)
        expect(() => connect("postgresql://nobody@127.0.0.1:1/none", { parallel: options as never })).toThrow(
          expect.objectContaining({ code: "E_INVALID_OPTION" }),
        )
    })

  test("export() wants a format it knows and somewhere to write to", async () => {
    await expect(query.export({ format: "xml" as never, to: "x" })).rejects.toMatchObject({
      code: "E_INVALID_OPTION",
      path: "format",
    })
    await expect(query.export({ format: "csv", to: 7 as never })).rejects.toMatchObject({ code: "E_INVALID_OPTION", path: "to" })
    await expect(query.export({ format: "csv", to: "/nowhere/at/all" })).rejects.toMatchObject({
      code: "E_INVALID_OPTION",
      path: "to",
    })
    await expect(query.export({ format: "csv", to: "x", threads: -1 })).rejects.toMatchObject({
      code: "E_INVALID_OPTION",
      path: "threads",
    })
  })
})

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`divisions, PostgreSQL ${version}`, () => {
    const shop = workshop(version, { max: 4 })
    const count = "select count(*)::int as n from main m left join dim d on d.id = m.k"
    const run = (text: string, options: ParallelOptions) =>
      shop.selecto
        .statement<{ n: number }>(text)
        .parallel({ where: "client", ...options })
        .run()

    test("more workers than connections: as many as there are, and one left for others", async () => {
      const result = await run(count, { workers: 100, maxWorkers: 100 })
      expect(reportOf(result)).toMatchObject({ chosen: "client", asked: 100 })
      expect(reportOf(result).workers).toBeLessThanOrEqual(3)
      expect(result.rows).toEqual([{ n: 12_000 }])
    })

    test("maxWorkers bounds what is asked for, minWorkers what is worth it", async () => {
      expect(reportOf(await run(count, { workers: 8, maxWorkers: 2 })).asked).toBe(2)
      expect(reportOf(await run(count, { workers: 8, minWorkers: 4 }))).toMatchObject({ chosen: "none", workers: 1 })
      expect(reportOf(await run(count, { workers: 1 }))).toMatchObject({ chosen: "none", why: "one worker was asked for" })
    })

    test("a column that does not exist is named, with what was probably meant", async () => {
      await expect(run(count, { partition: { hash: "smal" } })).rejects.toMatchObject({
        code: "E_UNKNOWN_FIELD",
        suggestions: ["small"],
      })
      await expect(run(count, { partition: { range: "d.idd" } })).rejects.toMatchObject({ code: "E_UNKNOWN_FIELD" })
    })

    test("a type without order or hash function is refused, and a column that is NULL or lopsided is not", async () => {
      await shop.query(
        "create table odd as select i as id, json_build_object('a', i) as doc, point(i, i) as at, case when i % 2 = 0 then 1 end as half from generate_series(1, 3000) i; analyze odd",
      )
      const odd = "select count(*)::int as n from odd"
      await expect(run(odd, { partition: { range: "doc" } })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
        path: "partition.range",
      })
      await expect(run(odd, { partition: { range: "at" } })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
      await expect(run(odd, { partition: { hash: "doc" } })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
        path: "partition.hash",
      })
      for (const partition of [{ hash: "half" }, { range: "half" }, { range: "id" }] as const) {
        const result = await run(odd, { partition })
        expect(result.rows, JSON.stringify(partition)).toEqual([{ n: 3000 }])
        expect(reportOf(result).chosen).toBe("client")
      }
      await shop.query("create table unknown_odd as select * from odd")
      await expect(run("select count(*) from unknown_odd", { partition: { range: "half" } })).rejects.toThrow(
        /no statistics of half: run ANALYZE/,
      )
      await shop.query("drop table odd, unknown_odd")
    })

    test("conditions of one's own may overlap, leave rows out and be NULL: no row is lost or read twice", async () => {
      for (const conditions of [
        ["m.k = 1", "m.k > 0"],
        ["false"],
        ["m.small is null or m.small > 0", "true", "m.k = 2"],
        ["true"],
      ]) {
        const result = await run(count, { partition: { custom: () => conditions } })
        expect(result.rows, conditions.join("; ")).toEqual([{ n: 12_000 }])
        expect(reportOf(result).parts).toBe(conditions.length + 1)
      }
      for (const bad of [
        "m.k = 1) or (true",
        "m.k = 1 order by 1",
        "m.k = $1",
        "random() < 0.5",
        "m.k in (select 1)",
        "",
        "; drop table main",
      ])
        await expect(run(count, { partition: { custom: () => [bad] } }), bad).rejects.toMatchObject({
          code: expect.stringMatching(/^E_(INVALID_OPTION|SQL_SYNTAX)$/),
        })
      await expect(run(count, { partition: { custom: () => "m.k = 1" as never } })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
      })
    })

    test("parallelJoin() divides the table it names, made-up rows of an outer join included", async () => {
      const query = shop.selecto.statement(
        "select count(*)::int as n, count(m.id)::int as matched from dim d left join main m on m.k = d.id",
      )
      const [serial] = await query.execute()
      const result = await query.parallelJoin("m", { where: "client", workers: 3 }).run()
      expect(reportOf(result)).toMatchObject({ chosen: "client", partition: "blocks of main" })
      expect(result.rows).toEqual([serial])
      expect((await query.parallelJoin("main", { where: "client" }).run()).rows).toEqual([serial])
      expect(reportOf(await query.parallelJoin("dim", { where: "client" }).run()).partition).toBe("blocks of dim")
      await expect(query.parallelJoin("mian", { where: "client" }).run()).rejects.toMatchObject({ code: "E_UNKNOWN_JOIN" })
    })

    test("what cannot be exact is refused with its reason, and runs in one session where that is left open", async () => {
      const reasons: Record<string, RegExp> = {
        "select * from main for update": /FOR UPDATE/,
        "select id from main union all select id from dim": /set operations/,
        "select random() from main": /VOLATILE/,
        "select count(*) from main tablesample system (50)": /TABLESAMPLE/,
        "select id from main order by id fetch first 3 rows with ties": /WITH TIES/,
        "select count(*) from main, (select id from dim limit 3) d": /LIMIT in a subquery/,
        "select row_number() over (order by id) from main": /common PARTITION BY/,
        "select array_agg(id) from main": /cannot be taken apart/,
        "select count(distinct k), count(distinct t) from main": /two different expressions/,
        "select age(tz) from main": /reads the clock/,
        "select count(*) from main where tz < 'now'::timestamptz": /reads the clock/,
        "select count(*) from pg_class": /system catalog/,
        "select 1": /reads no table/,
        "select current_setting('app.' || x, true) from main": /computed/,
      }
      for (const [text, reason] of Object.entries(reasons)) {
        await expect(shop.selecto.statement(text).parallel({ where: "client" }).execute(), text).rejects.toThrow(reason)
        await expect(shop.selecto.statement(text).parallel({ where: "client" }).execute()).rejects.toMatchObject({
          code: "E_PARALLEL_REFUSED",
        })
        const auto = await shop.selecto.statement(text).parallel().run()
        expect(reportOf(auto).chosen, text).toBe("none")
      }
    })

    test("functions are safe by their label or by the caller's word", async () => {
      await shop.query(`create function twice(n int) returns int language plpgsql as 'begin return 2 * n; end';
        create function thrice(n int) returns int language plpgsql immutable parallel safe as 'begin return 3 * n; end'`)
      expect(reportOf(await run("select sum(thrice(k)) from main", {})).chosen).toBe("client")
      await expect(run("select sum(twice(k)) from main", {})).rejects.toThrow(
        /twice\(\) is VOLATILE by its label: name it in `safeFunctions`/,
      )
      const result = await run("select sum(twice(k)) from main", { safeFunctions: ["twice"] })
      expect(reportOf(result).chosen).toBe("client")
      expect(result.rows).toEqual(await shop.query("select sum(2 * k) from main"))
      await shop.query("drop function twice, thrice")
    })

    test("workerMemory and the server's knobs last no longer than the statement", async () => {
      const memory = await run("select max(current_setting('work_mem')) as n from main", { workerMemory: "77MB" })
      expect(memory.rows).toEqual([{ n: "77MB" }])
      const server = await shop.selecto
        .statement("select count(*)::int as n from main m, generate_series(1, 100) i")
        .parallel({ where: "server", workers: 2 })
        .run()
      expect(reportOf(server)).toMatchObject({ chosen: "server", planned: expect.any(Number) })
      for (const name of ["work_mem", "max_parallel_workers_per_gather", "parallel_setup_cost", "synchronize_seqscans"]) {
        const values = await Promise.all(Array.from({ length: 4 }, () => shop.pool.query(`show ${name}`)))
        expect(new Set(values.map(({ rows }) => JSON.stringify(rows))).size, name).toBe(1)
        expect(values[0]!.rows[0][name]).toBe((await shop.query(`show ${name}`))[0]![name])
      }
    })
  })

describe("where there is one session", () => {
  const target = pgliteTarget(trickyTables)

  test("the statement runs in it and the report says so", async () => {
    const selecto = connect(target.pglite)
    for (const where of ["auto", "client", "server"] as const) {
      const result = await selecto.statement("select count(*)::int as n from main").parallel({ where, workers: 4 }).run()
      expect(result.rows).toEqual([{ n: 12_000 }])
      expect(reportOf(result)).toMatchObject({ chosen: "none", workers: 1, why: expect.stringMatching(/one session/) })
    }
    const said: string[] = []
    const rows = []
    for await (const row of selecto
      .statement("select id from main")
      .parallel({ onReport: ({ why }) => said.push(why) })
      .stream())
      rows.push(row)
    expect(rows).toHaveLength(12_000)
    expect(said).toEqual([expect.stringMatching(/one session/)])
  })
})

describe.skipIf(pgbouncerMissing() || serverMissing(18))("behind PgBouncer in transaction mode", () => {
  const shop = workshop(18)
  let bouncer: PgBouncer
  const url = (): string => `postgresql://postgres@127.0.0.1:${bouncer.port}/${shop.database.name}`
  const text = "select count(*)::int as n, sum(length(md5(m.filler || i))) as s from main m, generate_series(1, 20) i"

  beforeAll(async () => {
    bouncer = await startPgbouncer(shop.database.server, "transaction", 4)
  })
  afterAll(async () => {
    await bouncer?.stop()
  })

  test("nothing is split without a directUrl: an error where it was demanded, a warning where it was left open", async () => {
    await using selecto = connect(url())
    await expect(selecto.statement(text).parallel({ where: "client" }).execute()).rejects.toThrow(/connect with \{ directUrl \}/)
    // Long by the planner's word, who takes a thousand rows for each series.
    const long = "select count(distinct m.k + g)::int as n from main m, generate_series(1, m.small) as g"
    const result = await selecto.statement(long).parallel({ workers: 2 }).run()
    expect(reportOf(result)).toMatchObject({ chosen: "none", why: expect.stringMatching(/directUrl/) })
    expect(result.report.warnings.map(({ code }) => code)).toEqual(["parallel_needs_direct_url"])
  })

  test("with a directUrl the parts go past it", async () => {
    await using selecto = connect({ url: url(), directUrl: shop.database.url })
    const result = await selecto.statement(text).parallel({ where: "client", workers: 3 }).run()
    expect(reportOf(result)).toMatchObject({ chosen: "client" })
    expect(result.rows).toEqual(await selecto.statement(text).execute())
  })
})
