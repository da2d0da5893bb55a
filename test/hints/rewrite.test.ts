import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { checkHints, prepareHints } from "../../src/hints/index.ts"
import { eachServer } from "../support/each-server.ts"
import { databaseOf, hintsOf } from "./support.ts"

/** Small tables with gaps and NULLs, in which an outer join that was moved wrongly gives other rows. */
const gaps = {
  name: "hints_gaps",
  build: async ({ exec }: { exec(text: string): Promise<unknown> }) => {
    await exec(
      ["a", "b", "c", "d"]
        .map(
          (table, offset) =>
            `create table ${table} (x int, y int); insert into ${table} select nullif(g % 5, ${offset}), nullif((g * 3 + ${offset}) % 4, 2) from generate_series(1, ${5 + offset}) g; analyze ${table};`,
        )
        .join("\n"),
    )
  },
}

/** RUNS=2000 for a long run. */
const runs = Number(process.env.RUNS ?? 150)

interface Sample {
  readonly text: string
  readonly order: readonly string[]
}

const names = ["a", "b", "c", "d"]
const column = fc.constantFrom("x", "y")
const sample: fc.Arbitrary<Sample> = fc
  .record({
    tables: fc.shuffledSubarray(names, { minLength: 2, maxLength: 4 }),
    kinds: fc.array(fc.constantFrom("join", "left join", "left join", ","), { minLength: 3, maxLength: 3 }),
    on: fc.array(
      fc.record({ left: column, right: column, to: fc.nat(), extra: fc.constantFrom("", "and true", "is distinct from null") }),
      { minLength: 3, maxLength: 3 },
    ),
    where: fc.constantFrom("", "is null", "= 1", "is not null"),
    order: fc.shuffledSubarray(names, { minLength: 4, maxLength: 4 }),
    length: fc.integer({ min: 2, max: 4 }),
  })
  .map(({ tables, kinds, on, where, order, length }) => {
    const outer: string[] = [tables[0]!]
    let from = tables[0]!
    // After a comma, only tables since that comma can be named in ON.
    let visible = [tables[0]!]
    const conditions: string[] = []
    for (const [index, table] of tables.slice(1).entries()) {
      const { left, right, to, extra } = on[index]!
      const kind = kinds[index]!
      const other = visible[to % visible.length]!
      const condition =
        extra === "is distinct from null"
          ? `(${table}.${left} = ${other}.${right}) is distinct from null`
          : `${table}.${left} = ${other}.${right} ${extra}`
      if (kind === ",") {
        from += `, ${table}`
        conditions.push(condition)
        visible = [table]
      } else {
        from += ` ${kind} ${table} on ${condition}`
        visible.push(table)
      }
      outer.push(table)
    }
    if (where !== "") conditions.push(`${tables.at(-1)}.x ${where}`)
    const list = tables.flatMap((table) => [`${table}.x as ${table}x`, `${table}.y as ${table}y`]).join(", ")
    return {
      text: `select ${list} from ${from}${conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`}`,
      order: order.filter((name) => outer.includes(name)).slice(0, Math.max(2, length)),
    }
  })

eachServer(
  "a rewritten order of joins",
  (target) => {
    let database: Database
    beforeAll(() => {
      database = databaseOf(target)
    })
    afterAll(() => database.close())

    const rowsOf = async (text: string): Promise<string[]> =>
      (await database.queryText({ text: text, values: [] })).rows.map((row) => JSON.stringify(row)).sort()

    test("gives the same rows, and the order that was asked for", async () => {
      const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
      const count = { rewritten: 0, kept: 0, refused: 0, honoured: 0, nonEmpty: 0 }
      await fc.assert(
        fc.asyncProperty(sample, async ({ text, order }) => {
          const option = hintsOf(["join_order", [...order]])
          const hinted = await prepareHints(database, text, option)
          if (hinted.applied[0]!.mechanism === "none") {
            count.refused++
            return
          }
          hinted.rewritten ? count.rewritten++ : count.kept++
          const rows = await rowsOf(hinted.text)
          if (rows.length > 0) count.nonEmpty++
          expect(rows, `${text}\n${hinted.text}`).toEqual(await rowsOf(text))
          const check = await checkHints(database, { text, values: [] }, option)
          if (check.hints[0]!.status === "honoured") count.honoured++
        }),
        { seed, numRuns: runs },
      )
      console.log(`${target.label}: seed ${seed}, ${JSON.stringify(count)}`)
      expect(count.rewritten).toBeGreaterThan(0.2 * runs)
      expect(count.nonEmpty).toBeGreaterThan(0.13 * runs)
      expect(count.honoured).toBeGreaterThan(0.8 * (count.rewritten + count.kept))
    })

    test("this would notice: a left join moved before what it needs gives other rows", async () => {
      const right = await rowsOf("select a.x, b.x, c.x from a left join b on b.x = a.x left join c on c.y = b.y")
      const wrong = await rowsOf("select a.x, b.x, c.x from a left join c on true left join b on b.x = a.x and c.y = b.y")
      expect(wrong).not.toEqual(right)
    })
  },
  { template: gaps },
)
