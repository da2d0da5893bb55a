import pg from "pg"
import { describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { reportOf, workshop } from "./support.ts"

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`what every worker sees, PostgreSQL ${version}`, () => {
    const shop = workshop(version)
    const client = { where: "client", workers: 3 } as const

    test("a concurrent writer never makes a parallel read inconsistent, and without the snapshot it does", async () => {
      await shop.query(`create table accounts as select i as id, 1000 as amount, repeat('x', 600) as filler from generate_series(1, 12000) i;
        alter table accounts add primary key (id)`)
      const writer = await shop.database.client()
      let writing = true
      // Every transfer keeps the sum, between one end of the table and the other; its rows go to where another part reads.
      const transfers = (async () => {
        for (let n = 0; writing; n++)
          await writer.query(
            `update accounts set amount = amount + case when id < 6000 then 7 else -7 end
             where id between $1::int and $1 + 49 or id between 12001 - $1 - 49 and 12001 - $1`,
            [1 + ((n * 50) % 5900)],
          )
      })()
      const read = (consistency: "snapshot" | "none") =>
        shop.selecto
          .statement<{ n: number; total: number }>("select count(*)::int as n, sum(amount)::int as total from accounts")
          .parallel({ ...client, consistency })
          .run()
      const end = performance.now() + 4000
      let runs = 0
      let split = 0
      const wrong: unknown[] = []
      while (performance.now() < end) {
        const result = await read("snapshot")
        runs++
        if (reportOf(result).workers > 1) split++
        if (result.rows[0]!.n !== 12_000 || result.rows[0]!.total !== 12_000_000) wrong.push(result.rows[0])
        expect(result.report.asOf?.snapshot).toMatch(/^[0-9A-F-]+$/)
      }
      // The checker can find what it looks for.
      let torn = 0
      for (let attempt = 0; attempt < 500 && torn === 0; attempt++) {
        const result = await read("none")
        if (result.rows[0]!.n !== 12_000 || result.rows[0]!.total !== 12_000_000) torn++
        expect(result.report.asOf).toBeNull()
        expect(result.report.warnings.map(({ code }) => code)).toEqual(["parallel_inconsistent"])
      }
      writing = false
      await transfers
      console.log(`PostgreSQL ${version}: ${runs} reads, ${split} by several sessions, ${wrong.length} inconsistent`)
      expect(wrong).toEqual([])
      expect(split).toBeGreaterThan(10)
      expect(torn).toBe(1)
      await shop.query("drop table accounts")
    })

    test("the moment is the leader's, whatever asks for it", async () => {
      const text = `select now() = min(now()) and now() = max(now()) as same, min(current_timestamp) = max(transaction_timestamp()) as names,
        bool_and(m.ts < localtimestamp) as past, min(current_date) as today, count(*)::int as n from main m where m.ts < now()`
      const result = await shop.selecto.statement<Record<string, unknown>>(text).parallel(client).run()
      expect(reportOf(result).chosen).toBe("client")
      expect(result.rows[0]).toMatchObject({ same: true, names: true, past: true })
      const at = result.report.asOf!.at
      expect(Math.abs(at.getTime() - Date.now())).toBeLessThan(60_000)
    })

    test("settings and role of the caller's transaction are every worker's", async () => {
      await shop.query("create role reader; grant select on main to reader")
      const text =
        "select to_char(m.tz, 'YYYY-MM-DD HH24 OF') as hour, current_user as who, count(*)::int as n from main m group by 1, 2 order by 1 limit 5"
      await shop.selecto.transaction(
        async (tx) => {
          await tx.statement("set local timezone = 'Asia/Kathmandu'").execute()
          await tx.statement("set local role reader").execute()
          const serial = await tx.statement(text).execute()
          const result = await tx.statement(text).parallel(client).run()
          expect(reportOf(result)).toMatchObject({ chosen: "client" })
          expect(result.rows).toEqual(serial)
          expect(result.rows[0]).toMatchObject({ who: "reader" })
        },
        { isolation: "repeatable read" },
      )
      await shop.query("revoke select on main from reader; drop role reader")
    })

    test("row security reads the caller's settings, or nothing is split", async () => {
      await shop.query(`create table tenants as select i as id, i % 3 as tenant, repeat('x', 300) as filler from generate_series(1, 12000) i;
        alter table tenants enable row level security;
        create policy own on tenants using (tenant = current_setting('app.tenant')::int);
        create role tenant_reader login; grant select on tenants to tenant_reader`)
      const pool = new pg.Pool({ connectionString: shop.database.url.replace("postgres@", "tenant_reader@"), max: 5 })
      const selecto = connect(pool)
      const text = "select count(*)::int as n, min(tenant) as low, max(tenant) as high from tenants"
      await selecto.transaction(async (tx) => {
        await tx.statement("select set_config('app.tenant', '2', true)").execute()
        await expect(tx.statement(text).parallel(client).execute()).rejects.toThrow(
          /a policy of tenants reads the setting app.tenant: declare it/,
        )
        const auto = await tx.statement(text).parallel().run()
        expect(reportOf(auto).chosen).toBe("none")
        const split = await tx
          .statement(text)
          .parallel({ ...client, settings: ["app.tenant"] })
          .run()
        expect(reportOf(split).chosen).toBe("client")
        expect(split.rows).toEqual([{ n: 4000, low: 2, high: 2 }])
      })
      // A policy that comes between planning and running is noticed in the very snapshot.
      const query = selecto
        .statement("select count(*)::int as n from tenants where id > 0")
        .parallel({ ...client, settings: ["app.tenant"] })
      await pool.query("select set_config('app.tenant', '1', false)")
      await query.run().catch(() => {})
      await shop.query("create policy late on tenants as restrictive using (id < current_setting('app.limit', true)::int)")
      await expect(query.run()).rejects.toThrow(/app.limit/)
      await selecto.close()
      await pool.end()
      await shop.query("drop table tenants; drop role tenant_reader")
    })

    test("what other sessions cannot see is not split", async () => {
      const count = "select count(*)::int as n from main"
      await shop.selecto.transaction(async (tx) => {
        await tx.statement("create temporary table mine (x int) on commit drop").execute()
        await expect(tx.statement(count).parallel(client).execute()).rejects.toMatchObject({ code: "E_PARALLEL_REFUSED" })
      })
      await shop.selecto.transaction(async (tx) => {
        await tx.statement("update dim set grp = grp where id = 1").execute()
        await expect(tx.statement(count).parallel(client).execute()).rejects.toThrow(/has written/)
        // The refusal has not spoilt the transaction.
        expect(await tx.statement(count).parallel().execute()).toEqual([{ n: 12_000 }])
      })
      await shop.selecto.transaction(
        async (tx) => {
          await expect(tx.statement(count).parallel(client).execute()).rejects.toThrow(/serializable/)
        },
        { isolation: "serializable" },
      )
      await shop.selecto.transaction(async (tx) => {
        // At read committed every statement has a snapshot of its own, and its parts share it.
        const result = await tx.statement(count).parallel(client).run()
        expect(reportOf(result).chosen).toBe("client")
        expect(result.rows).toEqual([{ n: 12_000 }])
      })
    })
  })
