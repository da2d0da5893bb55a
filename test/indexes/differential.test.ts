import fc from "fast-check"
import pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { advise } from "../../src/indexes/index.ts"
import { eachServer } from "../support/each-server.ts"

const seed = Number(process.env.SELECTO_SEED ?? 20_240_611)
const schemas = Number(process.env.SELECTO_SCHEMAS ?? 4)

interface RandomSchema {
  readonly ddl: string
  readonly queries: readonly string[]
}

/** Columns of different spread: how many values, in what order, with how many NULLs. */
const column = fc.record({
  type: fc.constantFrom("int", "text", "timestamptz", "bool"),
  distinct: fc.constantFrom(3, 40, 2000, 20_000),
  ordered: fc.boolean(),
  nulls: fc.constantFrom(0, 0, 0.02, 0.9),
})
type Column = typeof column extends fc.Arbitrary<infer T> ? T : never

function valueSql(one: Column, at: number): string {
  const number = one.ordered ? `(i * ${one.distinct} / 20000)` : `(abs(hashint4(i * ${at + 3})) % ${one.distinct})`
  const raw = {
    int: number,
    text: `'v' || ${number}`,
    timestamptz: `timestamptz '2024-01-01 UTC' + ${number} * interval '1 hour'`,
    bool: `abs(hashint4(i * ${at + 3})) % 50 = 0`,
  }
  return one.nulls === 0
    ? raw[one.type as "int"]
    : `case when abs(hashint4(i * ${at + 91})) % 100 >= ${one.nulls * 100} then ${raw[one.type as "int"]} end`
}

function constantSql(one: Column, pick: number): string {
  const number = pick % one.distinct
  return {
    int: String(number),
    text: `'v${number}'`,
    timestamptz: `timestamptz '2024-01-01 UTC' + ${number} * interval '1 hour'`,
    bool: "true",
  }[one.type as "int"]
}

const randomSchema: fc.Arbitrary<RandomSchema> = fc
  .record({
    columns: fc.array(column, { minLength: 3, maxLength: 6 }),
    picks: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.nat(5)), { minLength: 4, maxLength: 7 }),
  })
  .map(({ columns, picks }) => {
    const list = columns.map((one, at) => `c${at} ${one.type}`).join(", ")
    const values = columns.map(valueSql).join(", ")
    const ddl = `create table t (id int primary key, ${list}, pad text not null);
insert into t select i, ${values}, repeat('p', 80) from generate_series(1, 20000) i;
create table u (id int primary key, t_id int not null, k int not null);
insert into u select i, 1 + abs(hashint4(i)) % 20000, abs(hashint4(i + 5)) % 500 from generate_series(1, 20000) i;`
    const queries = picks.map(([a, b, c, form]) => {
      const one = a % columns.length
      const two = b % columns.length
      const equal = `t.c${one} = ${constantSql(columns[one]!, c)}`
      const range = `t.c${two} ${columns[two]!.type === "bool" ? "=" : ">"} ${constantSql(columns[two]!, columns[two]!.distinct - 1 - (c % Math.ceil(columns[two]!.distinct / 10)))}`
      return [
        `select * from t where ${equal}`,
        `select * from t where ${equal} and ${range}`,
        `select * from t where ${equal} order by t.c${two} desc limit 10`,
        `select t.pad, u.k from u join t on t.id = u.t_id where u.k = ${c % 500} and ${equal}`,
        `select count(*), max(t.c${two}) from t where ${range}`,
        `select * from t where ${equal} or t.c${two} is null`,
      ][form]!
    })
    return { ddl, queries: [...new Set(queries)] }
  })

eachServer(
  "advice on random schemas, built for real",
  (target) => {
    let db: Database
    let client: pg.Client
    beforeAll(async () => {
      db = openDatabase(target.source)
      client = new pg.Client({ connectionString: target.server.url })
      await client.connect()
      await client.query("set max_parallel_workers_per_gather = 0; set jit = off")
    })
    afterAll(async () => {
      await client.end()
      await db.close()
    })

    async function costs(queries: readonly string[]): Promise<number[]> {
      const found: number[] = []
      for (const query of queries)
        found.push((await client.query(`explain (format json) ${query}`)).rows[0]["QUERY PLAN"][0].Plan["Total Cost"])
      return found
    }

    test("indexes are needed, gains come true, and nothing gets dearer", async () => {
      let built = 0
      let needed = 0
      let predicted = 0
      let came = 0
      let dearer = 0
      console.log(`seed ${seed}, ${schemas} schemas`)
      for (const { ddl, queries } of fc.sample(randomSchema, { seed, numRuns: schemas })) {
        await client.query(`drop table if exists t, u; ${ddl}`)
        await client.query("vacuum analyze t")
        await client.query("vacuum analyze u")
        const before = await costs(queries)
        const advice = await advise(
          db,
          queries.map((text) => ({ text })),
          { whatIf: "shadow", timeLimit: "5m" },
        )
        for (const one of advice.recommendations) await client.query(one.sql)
        const after = await costs(queries)
        for (const [at, statement] of advice.statements.entries()) {
          if (after[at]! > before[at]! * 1.001) dearer++
          if (statement.indexes.length === 0) continue
          predicted++
          const gain = Math.log(statement.costBefore! / statement.costAfter!)
          const real = Math.log(before[at]! / after[at]!)
          if (Math.abs(gain - real) <= 0.1 * Math.max(real, 0.1)) came++
        }
        for (const one of advice.recommendations) {
          built++
          await client.query("begin")
          await client.query(`drop index ${one.schema}.${one.name}`)
          const without = await costs(queries)
          await client.query("rollback")
          if (without.some((cost, at) => cost > after[at]! * 1.05)) needed++
        }
      }
      console.log(
        `${built} indexes built, ${needed} needed; ${predicted} gains predicted, ${came} came true within 10 %; ${dearer} statements dearer`,
      )
      expect(built).toBeGreaterThan(schemas)
      expect(needed / built).toBeGreaterThanOrEqual(0.85)
      expect(came / predicted).toBeGreaterThanOrEqual(0.85)
      expect(dearer).toBe(0)
    }, 600_000)
  },
  { pglite: false, versions: [18] },
)
