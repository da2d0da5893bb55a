import pg from "pg"
import { connect } from "../../src/client/connect.ts"
import type { ParallelOptions, ParallelReport } from "../../src/parallel/index.ts"
import type { BenchResult } from "../support/compare.ts"
import { prepare, withServer } from "../support/server.ts"
import { factsSchema, roomy } from "./near.ts"
import { interleaved, printPlan, resultOf, told } from "./rounds.ts"

/** Ten kinds of statements. "(short)": under 100 ms in one session. */
const shapes: Readonly<Record<string, string>> = {
  "one row by its key (short)": "select id, kind, amount from facts where id = 4711",
  "a thousand rows by a key (short)": "select id, kind, amount from facts where id between 5000 and 5999",
  "a small table grouped (short)": "select region, count(*) as n from customers group by region",
  "few groups": "select kind, count(*) as n, sum(amount) as s, avg(amount) as a from facts group by kind",
  "many groups": "select customer, count(*) as n, sum(amount) as s from facts group by customer",
  "a join grouped":
    "select c.region, sum(f.amount) as s from facts f join customers c on c.id = f.customer group by c.region order by c.region",
  "count(distinct …)": "select count(distinct customer) as n from facts",
  "a PARALLEL UNSAFE function": "select kind, sum(priced(amount)) as s from facts group by kind",
  "the first ten in an order": "select id, amount, note from facts order by amount desc, id limit 10",
  "many rows": "select id, customer, kind, amount from facts where customer < 4000",
}

/** `where: "auto"` after three runs to learn from, against the best of one session, PostgreSQL's workers and sessions of ours. */
export async function autoBench(rows = 1_000_000, rounds = 7): Promise<BenchResult[]> {
  return withServer(
    18,
    async (url) => {
      await prepare(url, factsSchema(rows))
      await prepare(url, "vacuum analyze")
      const serialPool = new pg.Pool({ connectionString: url, max: 1, options: "-c max_parallel_workers_per_gather=0" })
      const pools = [serialPool, ...[0, 1].map(() => new pg.Pool({ connectionString: url, max: 4 }))]
      for (const pool of pools) pool.on("error", () => {})
      // Each learns by itself: what is forced must not teach what is chosen.
      const [serial, forced, chosen] = pools.map((pool) => connect(pool)) as [Selecto, Selecto, Selecto]
      try {
        const results: BenchResult[] = []
        for (const [name, sql] of Object.entries(shapes)) {
          await printPlan(url, sql)
          const notes: Record<string, string> = {}
          const run = (selecto: Selecto, row: string, options: ParallelOptions) => async (): Promise<void> => {
            const asked = { workers: 2, safeFunctions: ["priced"], ...options }
            const { report } = await selecto.statement(sql).parallel(asked).run()
            notes[row] = told(report.parallel as ParallelReport)
          }
          const auto = run(chosen, "auto", {})
          for (let learn = 0; learn < 3; learn++) await auto()
          const short = name.endsWith("(short)")
          const calls = short ? 25 : 1
          const times = (one: () => Promise<unknown>) => async (): Promise<void> => {
            for (let call = 0; call < calls; call++) await one()
          }
          const rows = {
            "one session": times(() => serial.statement(sql).execute()),
            "one session again": times(() => serial.statement(sql).execute()),
            "PostgreSQL's workers": times(run(forced, "PostgreSQL's workers", { where: "server" })),
            "two sessions": times(run(forced, "two sessions", { where: "client" })),
            auto: times(auto),
          }
          const measured = await interleaved(rows, short ? 3 * rounds : rounds)
          const others = Object.keys(rows)
            .slice(0, -1)
            .filter((row) => row !== "one session again")
          const best = others.reduce((a, b) => (measured.ratio(b, a) < 1 ? b : a))
          const title = `${name}${short ? `, ${calls} times` : ""}: auto against the best of the others`
          results.push(resultOf("parallel-auto", title, short ? "one session" : best, measured, notes))
        }
        return results
      } finally {
        await Promise.all([serial, forced, chosen].map((one) => one.close()))
        await Promise.all(pools.map((pool) => pool.end()))
      }
    },
    roomy,
  )
}

type Selecto = ReturnType<typeof connect>
