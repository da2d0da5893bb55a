import pg from "pg"
import { describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import { startServer, startStandby, urlOf } from "../support/server.ts"
import { reportOf } from "./support.ts"
import { trickyTables } from "./tables.ts"

describe("a replica", () => {
  test("is read in parts of one snapshot of its own, and says that it is not the primary", async () => {
    const primary = await startServer(18)
    const client = new pg.Client({ connectionString: urlOf(primary, "postgres") })
    await client.connect()
    await trickyTables.build({ query: (text, values) => client.query(text, values), exec: (text) => client.query(text) })
    const replica = await startStandby(primary)
    const pool = new pg.Pool({ connectionString: urlOf(replica, "postgres"), max: 5 })
    pool.on("error", () => {})
    const selecto = connect(pool)
    try {
      const { rows } = await pool.query("select pg_is_in_recovery() as recovery")
      expect(rows).toEqual([{ recovery: true }])
      const query = selecto.statement("select m.k, count(*)::int as n, sum(m.n) as s from main m group by m.k order by m.k")
      const result = await query.parallel({ where: "client", workers: 3 }).run()
      expect(reportOf(result)).toMatchObject({ chosen: "client", partition: "blocks of main" })
      expect(result.rows).toEqual(await query.execute())
      expect(result.report.asOf).toBeNull()
    } finally {
      await selecto.close()
      await pool.end()
      await client.end()
      await replica.stop()
      await primary.stop()
    }
  })
})
