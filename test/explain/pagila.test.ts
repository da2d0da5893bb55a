import { expect, it } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { explainStatement, type Plan, planNodes } from "../../src/explain/index.ts"
import { eachServer } from "../support/each-server.ts"
import { pagila, pagilaMissing } from "../support/pagila.ts"

if (pagilaMissing()) it.skip("plans on the Pagila sample (its dump is not beside the checkout)", () => {})
else
  eachServer(
    "plans on the Pagila sample",
    (target) => {
      const explain = async (text: string, values: unknown[]): Promise<Plan> => {
        const database = openDatabase(target.source)
        try {
          return await explainStatement(database, { text, values })
        } finally {
          await database.close()
        }
      }
      it("a key is looked up in its index", async () => {
        const { root } = await explain("select * from film where film_id = $1", [5])
        expect(root).toMatchObject({ type: "Index Scan", relation: { name: "film" }, index: "film_pkey" })
        expect(root.totalCost).toBeCloseTo(8.29, 1)
      })
      it("a column without an index is scanned for", async () => {
        const { root } = await explain("select * from rental where customer_id = $1", [148])
        expect(root).toMatchObject({ type: "Seq Scan", relation: { name: "rental" } })
        expect(root.raw.Filter).toContain("customer_id")
        expect(root.totalCost).toBeGreaterThan(300)
      })
      it("a month reads one partition", async () => {
        const plan = await explain("select * from payment where payment_date >= $1 and payment_date < $2", [
          "2022-02-01",
          "2022-03-01",
        ])
        const read = [...planNodes(plan.root)].flatMap((node) =>
          node.type.endsWith("Scan") && node.relation ? [node.relation.name] : [],
        )
        expect(new Set(read)).toEqual(new Set(["payment_p2022_02"]))
      })
    },
    { template: pagila, pglite: false, versions: [15] },
  )
