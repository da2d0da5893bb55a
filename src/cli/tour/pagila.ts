import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Selecto } from "../../client/selecto.ts"
import type { Session } from "../../database/database.ts"
import { loadDump } from "../../database/dump.ts"
import { defineDomain } from "../../domain/define.ts"
import { SelectoError } from "../../errors.ts"
import { count } from "../../query/aggregate.ts"
import { desc } from "../../query/expression.ts"
import type { TourQuery } from "./queries.ts"

/** Loads pagila-schema.sql and pagila-data.sql of a folder into an empty database. Throws E_UNSUPPORTED_INPUT where they are missing. */
export async function loadPagila(session: Session, folder: string): Promise<void> {
  for (const file of ["pagila-schema.sql", "pagila-data.sql"]) {
    let dump: string
    try {
      dump = await readFile(join(folder, file), "utf8")
    } catch (cause) {
      throw new SelectoError(
        "E_UNSUPPORTED_INPUT",
        `--pagila takes the folder that holds pagila-schema.sql and pagila-data.sql; ${file} cannot be read there.`,
        {
          cause,
        },
      )
    }
    await loadDump(dump, (text, values) => session.query({ text, values }))
  }
  await session.query({ text: "reset all", values: [] })
  await session.query({ text: "analyze", values: [] })
}

const rentals = defineDomain({
  name: "Rentals",
  source: {
    table: "rental",
    schema: "public",
    primaryKey: "rental_id",
    columns: {
      rental_id: "integer",
      rental_date: "timestamptz",
      return_date: "timestamptz?",
      customer_id: "integer",
      inventory_id: "integer",
    },
    associations: {
      customer: { target: "customer", ownerKey: "customer_id", relatedKey: "customer_id" },
      inventory: { target: "inventory", ownerKey: "inventory_id", relatedKey: "inventory_id" },
    },
  },
  schemas: {
    customer: {
      table: "customer",
      schema: "public",
      primaryKey: "customer_id",
      columns: { customer_id: "integer", first_name: "string", last_name: "string", email: "string?" },
    },
    inventory: {
      table: "inventory",
      schema: "public",
      primaryKey: "inventory_id",
      columns: { inventory_id: "integer", film_id: "integer", store_id: "integer" },
      associations: { film: { target: "film", ownerKey: "film_id", relatedKey: "film_id" } },
    },
    film: {
      table: "film",
      schema: "public",
      primaryKey: "film_id",
      columns: { film_id: "integer", title: "string", length: "smallint?" },
    },
  },
  joins: { customer: { type: "left" }, inventory: { type: "left", joins: { film: { type: "dimension", dimension: "title" } } } },
})

const payments = defineDomain({
  name: "Payments",
  source: {
    table: "payment",
    schema: "public",
    primaryKey: ["payment_date", "payment_id"],
    columns: {
      payment_id: "integer",
      rental_id: "integer",
      customer_id: "integer",
      amount: "decimal",
      payment_date: "timestamptz",
    },
  },
})

/** The tour's questions over Pagila. */
export function pagilaQueries(selecto: Selecto): TourQuery[] {
  const fromRentals = selecto.from(rentals)
  return [
    {
      title: "a customer's latest rentals",
      code: `rentals.select({ id: "rental_id", date: "rental_date", film: "inventory.film" })
       .filter({ customer_id: 148 }).orderBy(desc("rental_date")).limit(5)`,
      query: fromRentals
        .select({ id: "rental_id", date: "rental_date", film: "inventory.film" })
        .filter({ customer_id: 148 })
        .orderBy(desc("rental_date"))
        .limit(5),
    },
    {
      title: "the payments of one rental, over seven partitions",
      code: `payments.select("payment_id", "amount").filter({ rental_id: 4_611 })`,
      query: selecto.from(payments).select("payment_id", "amount").filter({ rental_id: 4_611 }),
    },
    {
      title: "how often one film was rented",
      code: `rentals.select({ n: count() }).filter({ "inventory.film": "ACADEMY DINOSAUR" })`,
      query: fromRentals.select({ n: count() }).filter({ "inventory.film": "ACADEMY DINOSAUR" }),
    },
  ]
}
