import pg from "pg"
import { connect } from "../../src/client/connect.ts"
import type { ParallelOptions, ParallelReport } from "../../src/parallel/index.ts"
import type { BenchResult } from "../support/compare.ts"
import { prepare, withServer } from "../support/server.ts"
import { interleaved, printPlan, type Rounds, resultOf, told } from "./rounds.ts"

/** Rows of about 100 bytes; a function with PostgreSQL's default label, PARALLEL UNSAFE, although it only computes. */
export const factsSchema = (rows: number): string => `
create table customers (id int primary key, region text not null);
insert into customers select n, 'region ' || n % 23 from generate_series(0, 49999) n;
create table facts (id int primary key, customer int not null, kind text not null, amount numeric(12,2) not null, note text not null);
insert into facts select n, hashint4(n) & 32767, 'kind ' || n % 13, (hashint4(n) & 65535) / 100.0, repeat(chr(97 + n % 26), 50)
from generate_series(1, ${rows}) n;
create function priced(amount numeric) returns numeric language plpgsql immutable as
  'begin return round(amount * case when amount > 300 then 0.9 else 1.1 end, 2); end';
`
/** A server that has its tables in memory, as one of its size would: what is measured is work, not reading. */
export const roomy = { shared_buffers: "640MB", work_mem: "64MB", jit: "off" }

/** Statements that PostgreSQL plans for one process, and one that it plans well for several. */
const serialPlans: Readonly<Record<string, string>> = {
  "a PARALLEL UNSAFE function": "select kind, count(*) as n, sum(priced(amount)) as s from facts group by kind",
  "count(distinct …)": "select count(distinct customer) as n, max(id) as last from facts",
  "an ordered aggregate": "select customer, string_agg(kind, ',' order by id) as kinds from facts group by customer",
}
const parallelPlan = "select kind, count(*) as n, sum(amount) as s, avg(amount) as a from facts group by kind"

/** Two sessions on one server that is near, against one, and against PostgreSQL's own workers. */
export async function nearBench(rows = 2_000_000, rounds = 7): Promise<BenchResult[]> {
  return withServer(
    18,
    async (url) => {
      await prepare(url, factsSchema(rows))
      await prepare(url, "vacuum analyze")
      const serialPool = new pg.Pool({ connectionString: url, max: 1, options: "-c max_parallel_workers_per_gather=0" })
      const pool = new pg.Pool({ connectionString: url, max: 4 })
      for (const one of [serialPool, pool]) one.on("error", () => {})
      const serial = connect(serialPool)
      const selecto = connect(pool)
      const notes: Record<string, string> = {}
      const run = (sql: string, name: string, options: ParallelOptions) => async (): Promise<void> => {
        const asked = { workers: 2, safeFunctions: ["priced"], ...options }
        const { report } = await selecto.statement(sql).parallel(asked).run()
        notes[name] = told(report.parallel as ParallelReport)
      }
      const alone = (sql: string) => (): Promise<unknown> => serial.statement(sql).execute()
      const compared = async (
        name: string,
        sql: string,
      ): Promise<{ rounds: Rounds; names: Record<"serial" | "client", string> }> => {
        const names = { serial: `${name}, one session`, client: `${name}, two sessions` }
        return {
          names,
          rounds: await interleaved(
            {
              [names.serial]: alone(sql),
              [`${names.serial} again`]: alone(sql),
              [names.client]: run(sql, names.client, { where: "client" }),
            },
            rounds,
          ),
        }
      }
      try {
        const results: BenchResult[] = []
        for (const [name, sql] of Object.entries(serialPlans)) {
          await printPlan(url, sql)
          const { rounds: times, names } = await compared(name, sql)
          results.push(resultOf("parallel-near", `${rows} rows, planned for one process: ${name}`, names.serial, times, notes))
        }
        await printPlan(url, parallelPlan)
        const planned = await interleaved(
          {
            "one session": alone(parallelPlan),
            "PostgreSQL's workers": run(parallelPlan, "PostgreSQL's workers", { where: "server" }),
            "PostgreSQL's workers again": run(parallelPlan, "PostgreSQL's workers again", { where: "server" }),
            "two sessions": run(parallelPlan, "two sessions", { where: "client" }),
          },
          rounds,
        )
        results.push(
          resultOf("parallel-planned", `${rows} rows, well planned for several`, "PostgreSQL's workers", planned, notes),
        )
        return results
      } finally {
        await Promise.all([selecto.close(), serial.close()])
        await Promise.all([pool.end(), serialPool.end()])
      }
    },
    roomy,
  )
}
