import pg from "pg"
import { connect } from "../src/client/connect.ts"
import { defineDomain } from "../src/domain/define.ts"
import type { BenchResult } from "./support/compare.ts"
import { interleave } from "./support/interleave.ts"
import { prepare, withServer } from "./support/server.ts"

const domain = defineDomain({
  name: "Orders",
  source: {
    table: "orders",
    primaryKey: "id",
    columns: { id: "integer", customer_id: "integer", status: "string", total: "decimal", created_at: "timestamptz" },
  },
})

const rows = 100_000
const schema = `
create table orders (id int primary key, customer_id int not null, status text not null, total numeric not null, created_at timestamptz not null);
insert into orders select n, n % 997, case when n % 3 = 0 then 'paid' else 'open' end, n / 100.0, timestamptz '2024-01-01' + n * interval '1 minute'
from generate_series(0, ${rows - 1}) n;
analyze orders;
`

/** execute() of a primary-key query against bare pg with the same text, over loopback, on one connection and on eight. */
export async function executeBench(): Promise<BenchResult[]> {
  return withServer(18, async (url) => {
    await prepare(url, schema)
    const results: BenchResult[] = []
    for (const connections of [1, 8]) {
      const pool = new pg.Pool({ connectionString: url, max: connections })
      // The server stops before the last socket has closed.
      pool.on("error", () => {})
      // All sides share the connections: where the system puts a server process would otherwise be measured too.
      const selecto = connect(pool)
      const query = selecto.from(domain).select("id", "customer_id", "status", "total", "created_at")
      // One query value for each key, compiled when it first runs, as a program's constant is.
      const queries = Array.from({ length: 256 }, (_, n) => query.filter({ id: (n * 7919) % rows }))
      const { text } = queries[0]!.toSql()
      for (const one of queries) one.toSql()
      results.push(
        await interleave(
          `execute-${connections}`,
          `primary-key query, ${connections} connection${connections > 1 ? "s" : ""}, microseconds`,
          {
            "pg, same text": (n) => pool.query(text, [(n * 7919) % rows]),
            "execute()": (n) => queries[n & 255]!.execute(),
            "build, compile, execute()": (n) => query.filter({ id: (n * 7919) % rows }).execute(),
            "statement().execute()": (n) => selecto.statement(text, [(n * 7919) % rows]).execute(),
          },
          "pg, same text",
          // Short rounds and many: what else the machine does lasts longer than one, and so meets every side alike.
          { concurrency: connections, calls: 24 * connections, rounds: 401 },
        ),
      )
      await selecto.close()
      await pool.end()
    }
    return results
  })
}
