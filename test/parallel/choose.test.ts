import pg from "pg"
import { describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import { choose, type Evidence } from "../../src/parallel/choose.ts"
import type { Estimate } from "../../src/parallel/estimate.ts"
import { startProxy } from "../support/proxy.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { reportOf, workshop } from "./support.ts"

const estimate = (more: Partial<Estimate> = {}): Estimate => ({
  cost: 100_000,
  rows: 10,
  width: 8,
  groups: 10,
  gather: null,
  ...more,
})
const gather = (useful: boolean) => ({ workers: 2, useful })
const evidence = (more: Partial<Evidence> = {}): Evidence => ({
  estimate: estimate(),
  tuned: estimate(),
  ms: 2000,
  measured: {},
  roundTripMs: 0.1,
  refusal: null,
  partsCost: 1,
  idle: null,
  rows: 10,
  ...more,
})

describe("who shall run a statement", () => {
  const cases: Record<string, [Partial<Evidence>, string]> = {
    "a short one: one session": [{ ms: 150 }, "none"],
    "far away, where a part waits longer, one of half a second too": [{ ms: 400, roundTripMs: 12 }, "none"],
    "few rows and workers planned: PostgreSQL": [{ estimate: estimate({ gather: gather(true) }) }, "server"],
    "workers planned once the knobs are turned: PostgreSQL": [{ tuned: estimate({ gather: gather(true) }) }, "server"],
    "workers that only read for their leader are no gain: sessions": [
      { estimate: estimate({ gather: gather(false) }) },
      "client",
    ],
    "planned for one process: sessions": [{}, "client"],
    "planned for one process and not to be split: one session": [{ refusal: "something forbids it" }, "none"],
    "parts that would repeat too much: one session": [{ partsCost: 3 }, "none"],
    "many rows nearby: one session, which this process can hardly follow": [{ rows: 1_000_000 }, "none"],
    "many rows from far away: sessions": [{ rows: 1_000_000, roundTripMs: 20 }, "client"],
    "many rows that this process waited for: sessions": [{ rows: 1_000_000, idle: 0.8 }, "client"],
    "many rows from far away that this process was busy with: one session": [
      { rows: 1_000_000, roundTripMs: 20, idle: 0.1 },
      "none",
    ],
    "a first try that was no clear gain: as it is, to compare": [{ measured: { client: 1500 } }, "none"],
    "a first try that was: again": [{ measured: { client: 600 } }, "client"],
    "measured both ways: the faster": [{ measured: { none: 2000, client: 1200 } }, "client"],
    "measured both ways: as it is, where that is faster": [
      { measured: { none: 900, server: 1200 }, estimate: estimate({ gather: gather(true) }) },
      "none",
    ],
    "measured alike: the plainer": [{ measured: { none: 1020, server: 1000 } }, "none"],
  }
  for (const [name, [more, expected]] of Object.entries(cases))
    test(name, () => {
      const { choice, why } = choose(evidence(more))
      expect(choice, why).toBe(expected)
      expect(why.length).toBeGreaterThan(10)
    })
})

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`choosing on PostgreSQL ${version}`, () => {
    const shop = workshop(version)

    test("a short statement is planned once for its text, and then costs no round trip more", async () => {
      const proxy = await startProxy(shop.database.server)
      const pool = new pg.Pool({ host: "127.0.0.1", port: proxy.port, user: "postgres", database: shop.database.name, max: 2 })
      const selecto = connect(pool, { parallel: { all: true } })
      const run = (id: number) => selecto.statement("select k from main where id = $1", [id]).run()
      await pool.query("select 1")
      proxy.reset()
      const first = await run(1)
      expect(proxy.roundTrips).toBe(2)
      expect(reportOf(first)).toMatchObject({
        chosen: "none",
        why: expect.stringMatching(/would not pay/),
        estimate: { from: "planner" },
      })
      proxy.reset()
      for (let id = 2; id < 12; id++)
        expect(reportOf(await run(id))).toMatchObject({ chosen: "none", estimate: { from: "measured" } })
      expect(proxy.roundTrips).toBe(10)
      // With `all`, a transaction is left alone, and a query can be too.
      await selecto.transaction(async (tx) => expect((await tx.statement("select 1").run()).report.parallel).toBeNull())
      expect((await selecto.statement("select 1").parallel(false).run()).report.parallel).toBeNull()
      await selecto.close()
      await pool.end()
      await proxy.close()
    })

    test("a long one that PostgreSQL plans for one process is split, and so that the answer is the same", async () => {
      const text = "select count(distinct m.filler || i)::int as n from main m, generate_series(1, 12) i where m.id % 3 = 0"
      const serial = await shop.selecto.statement(text).execute()
      const first = await shop.selecto.statement(text).parallel({ workers: 2 }).run()
      expect(first.rows).toEqual(serial)
      expect(reportOf(first).estimate!.ms).toBeGreaterThan(0)
      expect(["client", "none"]).toContain(reportOf(first).chosen)
    })

    test("the server's workers are planned, asked for, and counted", async () => {
      const text = "select sum(length(md5(m.filler || i)))::int as s from main m, generate_series(1, 40) i"
      await shop.query("set max_parallel_workers_per_gather = 2")
      const result = await shop.selecto.statement(text).parallel({ where: "server", workers: 2 }).run()
      const { chosen, planned, launched } = reportOf(result)
      expect(chosen).toBe("server")
      expect(planned).toBeGreaterThanOrEqual(0)
      if (planned! > 0) expect(launched).toBeGreaterThan(0)
    })

    test("report.parallel accounts for the time and the parts", async () => {
      const result = await shop.selecto
        .statement("select m.k, count(*) from main m group by m.k")
        .parallel({ where: "client", workers: 3 })
        .run()
      const { timings, parts, workers, partition, merge, asked, why } = reportOf(result)
      expect({ parts: parts > 1, workers: workers >= 1, partition, merge, asked, why }).toEqual({
        parts: true,
        workers: true,
        partition: "blocks of main",
        merge: "hash",
        asked: 3,
        why: "asked for",
      })
      for (const ms of Object.values(timings)) expect(ms).toBeGreaterThanOrEqual(0)
      expect(result.report.timings.total).toBeGreaterThan(timings.parts)
      expect(result.report.sql).toBe("select m.k, count(*) from main m group by m.k")
    })
  })
