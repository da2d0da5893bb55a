import { defineDomain } from "../../src/domain/define.ts"
import { concat } from "../../src/query/calls.ts"
import { eq } from "../../src/query/condition.ts"

const rating = { type: "enum", pgType: "mpaa_rating", values: ["G", "PG", "PG-13", "R", "NC-17"] } as const
const film = {
  table: "film",
  primaryKey: "film_id",
  columns: {
    film_id: "integer",
    title: "string",
    description: "string?",
    release_year: "integer?",
    language_id: "integer",
    original_language_id: "integer?",
    rental_duration: "smallint",
    rental_rate: "decimal",
    length: "smallint?",
    replacement_cost: "decimal",
    rating: { ...rating, nullable: true },
    special_features: { type: "array", of: "string", nullable: true },
    fulltext: "tsvector",
  },
  associations: {
    language: { target: "language", ownerKey: "language_id", relatedKey: "language_id" },
    original_language: { target: "language", ownerKey: "original_language_id", relatedKey: "language_id" },
    film_actors: { target: "film_actor", ownerKey: "film_id", relatedKey: "film_id", many: true },
    film_categories: { target: "film_category", ownerKey: "film_id", relatedKey: "film_id", many: true },
    inventory: { target: "inventory", ownerKey: "film_id", relatedKey: "film_id", many: true },
    actors: {
      target: "actor",
      ownerKey: "film_id",
      relatedKey: "actor_id",
      through: { table: "film_actor", ownerKey: "film_id", relatedKey: "actor_id" },
    },
  },
} as const
const tables = {
  film,
  language: { table: "language", primaryKey: "language_id", columns: { language_id: "integer", name: "string" } },
  actor: {
    table: "actor",
    primaryKey: "actor_id",
    columns: { actor_id: "integer", first_name: "string", last_name: "string", last_update: "timestamptz" },
    associations: { film_actors: { target: "film_actor", ownerKey: "actor_id", relatedKey: "actor_id", many: true } },
  },
  film_actor: {
    table: "film_actor",
    primaryKey: ["actor_id", "film_id"],
    columns: { actor_id: "integer", film_id: "integer" },
    associations: {
      film: { target: "film", ownerKey: "film_id", relatedKey: "film_id" },
      actor: { target: "actor", ownerKey: "actor_id", relatedKey: "actor_id" },
    },
  },
  film_category: {
    table: "film_category",
    primaryKey: ["film_id", "category_id"],
    columns: { film_id: "integer", category_id: "integer" },
    associations: { category: { target: "category", ownerKey: "category_id", relatedKey: "category_id" } },
  },
  category: { table: "category", primaryKey: "category_id", columns: { category_id: "integer", name: "string" } },
  inventory: {
    table: "inventory",
    primaryKey: "inventory_id",
    columns: { inventory_id: "integer", film_id: "integer", store_id: "integer" },
    associations: {
      film: { target: "film", ownerKey: "film_id", relatedKey: "film_id" },
      rentals: { target: "rental", ownerKey: "inventory_id", relatedKey: "inventory_id", many: true },
    },
  },
  rental: {
    table: "rental",
    primaryKey: "rental_id",
    columns: {
      rental_id: "integer",
      rental_date: "timestamptz",
      inventory_id: "integer",
      customer_id: "integer",
      return_date: "timestamptz?",
      staff_id: "integer",
    },
    associations: {
      inventory: { target: "inventory", ownerKey: "inventory_id", relatedKey: "inventory_id" },
      customer: { target: "customer", ownerKey: "customer_id", relatedKey: "customer_id" },
    },
  },
  payment: {
    table: "payment",
    primaryKey: "payment_id",
    columns: {
      payment_id: "integer",
      customer_id: "integer",
      staff_id: "integer",
      rental_id: "integer",
      amount: "decimal",
      payment_date: "timestamptz",
    },
    associations: {
      customer: { target: "customer", ownerKey: "customer_id", relatedKey: "customer_id" },
      rental: { target: "rental", ownerKey: "rental_id", relatedKey: "rental_id" },
    },
  },
  customer: {
    table: "customer",
    primaryKey: "customer_id",
    columns: {
      customer_id: "integer",
      store_id: "integer",
      first_name: "string",
      last_name: "string",
      email: "string?",
      address_id: "integer",
      activebool: "boolean",
      create_date: "date",
      active: "integer?",
    },
    redact: ["email"],
    associations: {
      rentals: { target: "rental", ownerKey: "customer_id", relatedKey: "customer_id", many: true },
      payments: { target: "payment", ownerKey: "customer_id", relatedKey: "customer_id", many: true },
      address: { target: "address", ownerKey: "address_id", relatedKey: "address_id" },
    },
  },
  address: {
    table: "address",
    primaryKey: "address_id",
    columns: { address_id: "integer", address: "string", city_id: "integer" },
    associations: { city: { target: "city", ownerKey: "city_id", relatedKey: "city_id" } },
  },
  city: {
    table: "city",
    primaryKey: "city_id",
    columns: { city_id: "integer", city: "string", country_id: "integer" },
    associations: { country: { target: "country", ownerKey: "country_id", relatedKey: "country_id" } },
  },
  country: { table: "country", primaryKey: "country_id", columns: { country_id: "integer", country: "string" } },
} as const

export const actors = defineDomain({
  name: "Actor",
  source: tables.actor,
  schemas: tables,
  joins: {
    film_actors: {
      type: "left",
      joins: { film: { type: "left", joins: { language: { type: "dimension", dimension: "name" } } } },
    },
  },
  customColumns: { full_name: (f) => concat(f.first_name, " ", f.last_name) },
  defaultSelected: ["first_name", "last_name"],
  defaultOrderBy: ["last_name"],
})

export const films = defineDomain({
  name: "Film",
  source: film,
  schemas: tables,
  joins: {
    language: { type: "dimension", dimension: "name" },
    original_language: { type: "dimension", dimension: "name" },
    film_actors: { type: "left", joins: { actor: { type: "inner" } } },
    film_categories: { type: "left", joins: { category: { type: "inner" } } },
    inventory: { type: "left", joins: { rentals: { type: "left" } } },
    actors: { type: "left" },
  },
})

export const payments = defineDomain({
  name: "Payment",
  source: tables.payment,
  schemas: tables,
  joins: {
    customer: { type: "starDimension", dimension: "last_name" },
    rental: {
      type: "left",
      joins: {
        inventory: {
          type: "left",
          joins: {
            film: {
              type: "left",
              joins: { film_categories: { type: "left", joins: { category: { type: "left" } } } },
            },
          },
        },
      },
    },
  },
})

export const rentals = defineDomain({
  name: "Rental",
  source: tables.rental,
  schemas: tables,
  joins: { inventory: { type: "left", joins: { film: { type: "left" } } }, customer: { type: "left" } },
})

export const castings = defineDomain({ name: "Casting", source: tables.film_actor, schemas: tables })

export const customers = defineDomain({
  name: "Customer",
  source: tables.customer,
  schemas: tables,
  joins: {
    rentals: { type: "left" },
    payments: { type: "left" },
    address: { type: "left", joins: { city: { type: "left", joins: { country: { type: "left" } } } } },
  },
})

export const activeCustomers = defineDomain({
  name: "ActiveCustomer",
  source: tables.customer,
  schemas: tables,
  joins: { payments: { type: "left" } },
  requiredFilters: [eq("active", 1)],
})

export const storeCustomers = defineDomain({
  name: "StoreCustomer",
  source: tables.customer,
  schemas: tables,
  joins: { payments: { type: "left" } },
  required: ["store_id"],
})
