import { expect, test } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { readCatalog } from "../../src/database/read-catalog.ts"
import { definitionOf } from "../../src/views/definition.ts"
import { type Rewriting, viewRewriter } from "../../src/views/rewriter.ts"
import { eachServer } from "../support/each-server.ts"
import { randomOf } from "../support/random.ts"
import { casesSchema, type ViewCase, viewCases } from "./cases.ts"
import { answers, byValue, difference } from "./compare.ts"
import { poolOf, randomData, tablesNamed } from "./random-data.ts"

/** Random databases for each rewriting: SELECTO_DATABASES for more. */
const databases = Number(process.env.SELECTO_DATABASES ?? 5)
const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 1e6))

eachServer(
  "views and queries of every kind",
  (target) => {
    test("answered from the view exactly where it has the answer, with the same rows and types", async () => {
      const client = await target.server.client()
      const db = openDatabase(target.server.url)
      const wrong: string[] = []
      let runs = 0
      let filled = 0
      await client.query(casesSchema)
      const catalog = await readCatalog(db)
      for (const [at, one] of viewCases.entries()) {
        await client.query(`create materialized view kept as ${one.view}`)
        const relation = (await readCatalog(db, { relations: [{ name: "kept" }] })).relations[0]!
        const rewriting = await viewRewriter(db, [definitionOf(relation)]).rewrite(one.query, { judge: "semantics" })
        await client.query("drop materialized view kept")
        const fault = verdict(one, rewriting)
        if (fault !== null) wrong.push(told(one, rewriting, fault))
        if (rewriting.text === null) continue
        await client.query(`create view kept as ${one.view}`)
        const random = randomOf(seed * 1000 + at)
        const pool = poolOf([one.view, one.query])
        const tables = tablesNamed(catalog, `${one.view} ${one.query}`)
        for (let round = 0; round < databases; round++) {
          const data = randomData(catalog, tables, pool, random, { rows: 8, nulls: 0.2, odd: 0.15 })
          const found = await answers(client, [data, one.query, rewriting.text]).catch((error: unknown) => String(error))
          const what = typeof found === "string" ? found : difference(byValue(found[0]!), byValue(found[1]!))
          runs++
          if (typeof found !== "string" && found[0]!.rows.length > 0) filled++
          if (what === null) continue
          wrong.push(`${told(one, rewriting, what)}\n${data}`)
          break
        }
        await client.query("drop view kept")
      }
      await db.close()
      console.log(`${target.label}, seed ${seed}: ${viewCases.length} cases, ${runs} comparisons, ${filled} with rows`)
      expect(wrong.join("\n\n")).toBe("")
      expect(filled / runs).toBeGreaterThan(0.6)
    })
  },
  { pglite: false },
)

function verdict(one: ViewCase, rewriting: Rewriting): string | null {
  if (one.answered === "yes") return rewriting.text === null ? "it was not rewritten" : null
  // What goes back to the view's own tables may be right: its rows tell.
  return rewriting.text !== null && rewriting.kind === "full" ? "the view cannot know" : null
}

function told(one: ViewCase, rewriting: Rewriting, fault: string): string {
  const made = rewriting.text ?? rewriting.reasons.map(({ reason }) => reason).join("; ")
  return `${one.about}: ${fault}\n  view:  ${one.view}\n  query: ${one.query}\n  gave:  ${made}`
}
