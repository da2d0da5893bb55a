import pg from "pg"
import { connect } from "../../src/client/connect.ts"
import type { ParallelOptions, ParallelReport } from "../../src/parallel/index.ts"
import type { BenchResult } from "../support/compare.ts"
import { farFrom } from "../support/far.ts"
import { prepare, withServer } from "../support/server.ts"
import { interleaved, printPlan, resultOf, told } from "./rounds.ts"

/** 400,000 rows of about 110 bytes each; and as many that match on a tenth of their table. */
const schema = (rows: number): string => `
create table events (id int primary key, kind text not null, amount numeric not null, note text not null);
insert into events select n, 'kind ' || n % 17, n / 100.0, repeat(chr(97 + n % 26), 70) from generate_series(1, ${rows}) n;
create table lopsided (id int primary key, hit boolean not null, note text not null);
insert into lopsided select n, n <= ${rows / 2}, repeat(chr(97 + n % 26), case when n <= ${rows / 2} then 90 else 800 end) from generate_series(1, ${rows}) n;
`
const text = "select id, kind, amount, note from events"
const lopsided = "select id, note from lopsided where hit"

/** Reading behind a round trip of 10 ms and 10 MB/s a connection, by one session and by several. */
export async function farBench(rows = 400_000, rounds = 7, counts: readonly number[] = [4, 8]): Promise<BenchResult[]> {
  return withServer(18, async (url, server) => {
    await prepare(url, schema(rows))
    await prepare(url, "vacuum analyze")
    const far = await farFrom(server, 5, 10_000_000)
    const pool = new pg.Pool({ host: "127.0.0.1", port: far.port, user: "postgres", database: "postgres", max: 10 })
    pool.on("error", () => {})
    const selecto = connect(pool)
    const notes: Record<string, string> = {}
    const read = (sql: string, name: string, options: ParallelOptions | null) => async (): Promise<void> => {
      const query = selecto.statement(sql)
      const result = await (options === null ? query : query.parallel({ where: "client", ...options })).run()
      const expected = sql === text ? rows : rows / 2
      if (result.rows.length !== expected) throw new Error(`${name} read ${result.rows.length} rows`)
      const report = result.report.parallel as ParallelReport | null
      if (report !== null) notes[name] = told(report)
    }
    try {
      for (const sql of [text, lopsided]) await printPlan(url, sql)
      const shapes: Record<string, () => Promise<void>> = {
        "one session": read(text, "one session", null),
        "one session again": read(text, "one session again", null),
      }
      for (const workers of counts) shapes[`${workers} workers`] = read(text, `${workers} workers`, { workers })
      const plain = await interleaved(shapes, rounds)
      for (const workers of counts) {
        const efficiency = 1 / plain.ratio(`${workers} workers`, "one session") / workers
        notes[`${workers} workers`] += `, efficiency ${efficiency.toFixed(2)}`
      }
      const results = [
        resultOf("parallel-far", `${rows} rows behind 10 ms and 10 MB/s a connection`, "one session", plain, notes),
      ]
      const { rows: size } = await pool.query(
        "select pg_relation_size('lopsided') / current_setting('block_size')::int as blocks",
      )
      const quarter = Math.ceil(Number(size[0].blocks) / 4)
      const static4 = { custom: () => [1, 2, 3].map((n) => `lopsided.ctid < '(${n * quarter},0)'::tid`) }
      const skewed = await interleaved(
        {
          "one session": read(lopsided, "one session", null),
          "4 quarters fixed beforehand": read(lopsided, "4 quarters fixed beforehand", { workers: 4, partition: static4 }),
          "4 workers": read(lopsided, "4 workers", { workers: 4 }),
        },
        rounds,
      )
      const title = "the same where all that match stands on a tenth of the table"
      const fixed = "4 quarters fixed beforehand"
      results.push(
        resultOf("parallel-skew", title, "one session", skewed, notes),
        resultOf("parallel-skew-fixed", title, fixed, skewed, notes, ["4 workers"]),
      )
      return results
    } finally {
      await selecto.close()
      await pool.end()
      await far.close()
    }
  })
}
