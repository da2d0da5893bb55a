import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Selecto, selectoOf } from "../../src/client/selecto.ts"
import { openDatabase } from "../../src/database/open.ts"
import { defineDomain } from "../../src/domain/define.ts"
import { createMonitor, type Monitor } from "../../src/monitor/index.ts"
import { withTags } from "../../src/monitor/tags.ts"
import { eachServer } from "../support/each-server.ts"

const films = defineDomain({
  name: "Films",
  source: { table: "film", primaryKey: "id", columns: { id: "integer", title: "string" } },
})

eachServer(
  "the observe stage",
  (target) => {
    let monitor: Monitor
    let selecto: Selecto

    beforeAll(async () => {
      const { stage, service } = createMonitor({ tags: { static: { application: "test" } } })
      monitor = service
      selecto = selectoOf(openDatabase(target.source), {}, [stage])
    })
    afterAll(async () => {
      monitor.close()
      await selecto.close()
    })

    const find = async (summary: string) => {
      await monitor.ready()
      return monitor.metrics().find((one) => one.summary === summary)
    }

    test("records builder queries by their domain, and statements, under one fingerprint", async () => {
      for (let n = 0; n < 20; n++) await selecto.from(films).select("id").filter({ id: n }).execute()
      const { text } = selecto.from(films).select("id").filter({ id: 3 }).toSql()
      await selecto.statement(`${text.replaceAll(" ", "\n  ")} -- by hand`, [3]).execute()
      const film = await find("SELECT film")
      expect(film).toMatchObject({
        calls: 21,
        names: ["Films"],
        errors: {},
        rowsReturned: { max: 1, total: 20 },
        executionTime: { count: 21, tooFew: ["p99"] },
      })
      expect(film!.executionTime.avg).toBeGreaterThan(0)
      expect(film!.split!.server).toBeGreaterThan(0)
      expect(film!.split!.server + film!.split!.transfer).toBeCloseTo(film!.executionTime.avg!, 6)
    })

    test("records errors by SQLSTATE class and passes them on", async () => {
      await expect(selecto.statement("select 1 / (id - id) as broken from film").execute()).rejects.toMatchObject({
        sqlState: "22012",
      })
      await expect(selecto.statement("select nothing from film_gone").execute()).rejects.toMatchObject({ sqlState: "42P01" })
      expect((await find("SELECT film_gone"))!.errors).toEqual({ "42": 1 })
      await monitor.ready()
      expect(monitor.metrics().find((one) => "22" in one.errors)).toMatchObject({ calls: 1, executionTime: { count: 1 } })
    })

    test("records streams in every ending: read to the end, left early, failed", async () => {
      const read = async (text: string, stopAt: number): Promise<void> => {
        let n = 0
        for await (const _ of selecto.statement(text).stream({ batchSize: 10 })) if (++n === stopAt) break
      }
      await read("select id from film", -1)
      await read("select title from film", 3)
      await expect(read("select 1 / (25 - id) from film order by id", -1)).rejects.toThrow()
      await monitor.ready()
      const of = (text: string) => monitor.metrics().find((one) => one.text === text)
      expect(of("select id from film")).toMatchObject({ calls: 1, errors: {}, rowsReturned: { total: 100 } })
      expect(of("select title from film")).toMatchObject({ calls: 1, errors: {} })
      expect(of("select title from film")!.rowsReturned.total).toBeLessThan(100)
      expect(of("select $1 / ($2 - id) from film order by id")).toMatchObject({ calls: 1, errors: { "22": 1 } })
    })

    test("records statements of transactions", async () => {
      await selecto.transaction(async (tx) => {
        await tx.statement("select count(*) as inside from film").execute()
      })
      await monitor.ready()
      expect(monitor.metrics().find((one) => one.text?.includes("inside"))).toMatchObject({ calls: 1 })
    })

    test("puts tags on what is sent, and counts under the text without them", async () => {
      const seen = await withTags({ route: "/film" }, () =>
        selecto.statement<{ query: string }>("select query from pg_stat_activity where pid = pg_backend_pid()").execute(),
      )
      // PGlite has no other session to look at; its own text is not shown there.
      if (target.kind === "server")
        expect(seen[0]!.query).toBe(
          "select query from pg_stat_activity where pid = pg_backend_pid() /*application='test',route='%2Ffilm'*/",
        )
      const one = await find("SELECT pg_stat_activity")
      expect(one!.text).not.toContain("route")
    })
  },
  {
    template: {
      name: "monitor_film",
      build: async (filler) => {
        await filler.exec(
          "create table film (id int primary key, title text); insert into film select n, 'film ' || n from generate_series(1, 100) n",
        )
      },
    },
  },
)

describe("the pool", () => {
  test("a connection that cannot be had is an error without time", async () => {
    const { stage, service } = createMonitor()
    const selecto = selectoOf(openDatabase("postgresql://nobody@127.0.0.1:1/none"), {}, [stage])
    await expect(selecto.statement("select 1").execute()).rejects.toMatchObject({ code: "E_CONNECTION" })
    await service.ready()
    expect(service.metrics()[0]).toMatchObject({ calls: 1, errors: { E_CONNECTION: 1 } })
    service.close()
    await selecto.close()
  })
})
