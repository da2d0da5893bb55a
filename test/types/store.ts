import type { DomainOf } from "../../src/domain/domain.ts"
import { concat, defineDomain, from } from "./surface.ts"

export const definition = {
  name: "Orders",
  source: {
    table: "orders",
    schema: "public",
    primaryKey: "id",
    columns: {
      id: "integer",
      tenant_id: "integer",
      status: "string",
      total: "decimal",
      note: "string?",
      customer_id: "integer",
      created_at: "timestamptz",
      card_number: "string",
      weight: "float",
      serial: "bigint",
      placed_on: "date",
      meta: "jsonb?",
      photo: "bytea",
      rating: { type: "enum", pgType: "mpaa_rating", values: ["G", "PG"] },
      tags: { type: "array", of: "string" },
      valid: { type: "range", of: "timestamptz", nullable: true },
      place: { type: "other", pgType: "point" },
    },
    redact: ["card_number"],
    associations: {
      customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" },
      items: { target: "order_items", ownerKey: "id", relatedKey: "order_id", many: true },
    },
  },
  schemas: {
    customers: {
      table: "customers",
      primaryKey: "id",
      columns: {
        id: "integer",
        email: "string",
        region: "string",
        country_code: "string",
        first_name: "string",
        last_name: "string",
        birthday: "date?",
      },
      redact: ["email"],
      associations: { country: { target: "countries", ownerKey: ["country_code"], relatedKey: ["code"] } },
    },
    countries: { table: "countries", primaryKey: "code", columns: { code: "string", name: "string" } },
    order_items: {
      table: "order_items",
      primaryKey: ["order_id", "product_id"],
      columns: { order_id: "integer", product_id: "integer", quantity: "integer", price: "decimal", added_at: "timestamptz" },
      associations: {
        product: { target: "products", ownerKey: "product_id", relatedKey: "id" },
        suppliers: {
          target: "suppliers",
          ownerKey: "product_id",
          relatedKey: "id",
          through: { table: "supplies", ownerKey: "product_id", relatedKey: "supplier_id" },
        },
      },
    },
    products: { table: "products", primaryKey: "id", columns: { id: "integer", name: "string", price: "decimal" } },
    suppliers: { table: "suppliers", primaryKey: "id", columns: { id: "integer", name: "string", rating: "smallint?" } },
  },
  joins: {
    customer: { type: "left", joins: { country: { type: "inner" } } },
    items: { type: "left", joins: { product: { type: "dimension", dimension: "name" }, suppliers: { type: "inner" } } },
  },
} as const

export interface Orders extends DomainOf<typeof definition> {}
export const ordersDomain: Orders = defineDomain(definition)
export const orders = from(ordersDomain)

export const inferred = defineDomain({
  ...definition,
  name: "Inferred",
  customColumns: { full_name: (f) => concat(f["customer.first_name"], " ", f["customer.last_name"]) },
  required: ["tenant_id"],
  defaultSelected: ["id", "customer.region"],
  defaultOrderBy: ["id"],
})

/** No defaults: a row is the root, without what is redacted. */
export const plain = defineDomain({
  name: "Plain",
  source: {
    table: "plain",
    primaryKey: "id",
    columns: { id: "integer", tenant: "string?", secret: "string" },
    redact: ["secret"],
  },
})
/** A column in every row. */
export const always = defineDomain({
  ...definition,
  name: "Always",
  requiredSelected: ["tenant_id", "customer.region"],
  defaultSelected: ["id"],
})

/** A right join leaves nulls in the tables before it. */
export const backwards = defineDomain({
  name: "Backwards",
  source: {
    table: "children",
    primaryKey: "id",
    columns: { id: "integer", parent_id: "integer" },
    associations: { parent: { target: "parents", ownerKey: "parent_id", relatedKey: "id" } },
  },
  schemas: { parents: { table: "parents", primaryKey: "id", columns: { id: "integer" } } },
  joins: { parent: { type: "right" } },
})
