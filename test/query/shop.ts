import { defineDomain } from "../../src/domain/define.ts"
import type { DomainOf } from "../../src/domain/domain.ts"
import type { Template } from "../support/test-database.ts"

/** A small shop that every clause can be tried on: composite keys, many-to-many, nulls, every column type. */
export const shop: Template = {
  name: "shop",
  async build(filler) {
    await filler.exec(`
      create schema store;
      create type store.mood as enum ('sad', 'ok', 'Very "happy"');
      create table store.countries (code text primary key, name text not null);
      create table store.customers (
        id int primary key, region text, first_name text not null, last_name text not null, secret text, country_code text references store.countries
      );
      create table store.orders (
        id int primary key, tenant_id int not null, customer_id int references store.customers, parent_id int references store.orders,
        status text not null, total numeric(12,2) not null, note text, created_at timestamptz not null
      );
      create table store.products (id int primary key, name text not null, price numeric(10,2) not null, "select" text);
      create table store.items (order_id int references store.orders, product_id int references store.products, quantity int not null, primary key (order_id, product_id));
      create table store.shipments (order_id int, product_id int, seq int, carrier text not null, primary key (order_id, product_id, seq),
        foreign key (order_id, product_id) references store.items);
      create table store.tags (id int primary key, label text not null);
      create table store.product_tags (product_id int references store.products, tag_id int references store.tags, primary key (product_id, tag_id));
      create table store.every_type (
        id int primary key, a_smallint smallint, an_integer integer, a_bigint bigint, a_decimal numeric, a_float double precision, a_string text,
        a_uuid uuid, a_boolean boolean, a_date date, a_time time, a_timestamp timestamp, a_timestamptz timestamptz, an_interval interval,
        a_bytea bytea, a_json json, a_jsonb jsonb, a_mood store.mood, a_point inet,
        integers int[], strings text[], moods store.mood[], decimals numeric[], instants timestamptz[], flags boolean[],
        span int4range, period tstzrange, prices numrange, days daterange
      );
      insert into store.countries values ('FR', 'France'), ('DE', 'Germany');
      insert into store.customers values (1, 'EU', 'Ada', 'Byron', 's1', 'FR'), (2, 'EU', 'Bob', 'Stone', 's2', null), (3, null, 'Cyd', 'Moon', 's3', 'DE');
      insert into store.orders values
        (1, 7, 1, null, 'paid', 10.50, 'first', '2024-01-01T10:00:00Z'), (2, 7, 1, 1, 'paid', 20, null, '2024-01-02T10:00:00.123456Z'),
        (3, 7, 2, 2, 'open', 30.25, '100% _sure_', '2024-02-01T00:00:00Z'), (4, 8, 2, null, 'void', 5, 'a\\b', '2024-02-29T23:59:59.999999Z'),
        (5, 8, null, 4, 'paid', 7.75, '', '2024-03-01T00:00:00Z');
      insert into store.products values (1, 'Pen', 1.5, 'x'), (2, 'Ink', 7, null), (3, 'Desk', 300, 'y');
      insert into store.items values (1, 1, 3), (1, 2, 1), (2, 1, 5), (3, 3, 1), (3, 1, 2), (4, 2, 4);
      insert into store.shipments values (1, 1, 1, 'sea'), (1, 1, 2, 'air'), (2, 1, 1, 'road');
      insert into store.tags values (1, 'desk'), (2, 'write'), (3, 'rare');
      insert into store.product_tags values (1, 1), (1, 2), (2, 2), (3, 1), (3, 3);
    `)
  },
}

export const shopDefinition = {
  name: "Orders",
  source: {
    table: "orders",
    schema: "store",
    primaryKey: "id",
    columns: {
      id: "integer",
      tenant_id: "integer",
      customer_id: "integer?",
      parent_id: "integer?",
      status: "string",
      total: "decimal",
      note: "string?",
      created_at: "timestamptz",
    },
    associations: {
      customer: { target: "customers", ownerKey: "customer_id", relatedKey: "id" },
      items: { target: "items", ownerKey: "id", relatedKey: "order_id", many: true },
      parent: { target: "orders", ownerKey: "parent_id", relatedKey: "id" },
    },
  },
  schemas: {
    orders: {
      table: "orders",
      schema: "store",
      primaryKey: "id",
      columns: { id: "integer", parent_id: "integer?", status: "string", total: "decimal" },
    },
    customers: {
      table: "customers",
      schema: "store",
      primaryKey: "id",
      columns: {
        id: "integer",
        region: "string?",
        first_name: "string",
        last_name: "string",
        secret: "string?",
        country_code: "string?",
      },
      redact: ["secret"],
      associations: { country: { target: "countries", ownerKey: "country_code", relatedKey: "code" } },
    },
    countries: { table: "countries", schema: "store", primaryKey: "code", columns: { code: "string", name: "string" } },
    items: {
      table: "items",
      schema: "store",
      primaryKey: ["order_id", "product_id"],
      columns: { order_id: "integer", product_id: "integer", quantity: "integer" },
      associations: {
        product: { target: "products", ownerKey: "product_id", relatedKey: "id" },
        shipments: {
          target: "shipments",
          ownerKey: ["order_id", "product_id"],
          relatedKey: ["order_id", "product_id"],
          many: true,
        },
      },
    },
    shipments: {
      table: "shipments",
      schema: "store",
      primaryKey: ["order_id", "product_id", "seq"],
      columns: { order_id: "integer", product_id: "integer", seq: "integer", carrier: "string" },
    },
    products: {
      table: "products",
      schema: "store",
      primaryKey: "id",
      columns: { id: "integer", name: "string", price: "decimal", select: "string?" },
      associations: {
        tags: {
          target: "tags",
          ownerKey: "id",
          relatedKey: "id",
          through: { table: "product_tags", schema: "store", ownerKey: "product_id", relatedKey: "tag_id" },
        },
      },
    },
    tags: { table: "tags", schema: "store", primaryKey: "id", columns: { id: "integer", label: "string" } },
  },
  joins: {
    customer: { type: "left", joins: { country: { type: "inner" } } },
    items: {
      type: "left",
      joins: {
        product: { type: "inner", joins: { tags: { type: "left" } } },
        shipments: { type: "left" },
      },
    },
    parent: { type: "left" },
  },
} as const
export interface Orders extends DomainOf<typeof shopDefinition> {}
export const orders: Orders = defineDomain(shopDefinition)

export const everyType = defineDomain({
  name: "EveryType",
  source: {
    table: "every_type",
    schema: "store",
    primaryKey: "id",
    columns: {
      id: "integer",
      a_smallint: "smallint?",
      an_integer: "integer?",
      a_bigint: "bigint?",
      a_decimal: "decimal?",
      a_float: "float?",
      a_string: "string?",
      a_uuid: "uuid?",
      a_boolean: "boolean?",
      a_date: "date?",
      a_time: "time?",
      a_timestamp: "timestamp?",
      a_timestamptz: "timestamptz?",
      an_interval: "interval?",
      a_bytea: "bytea?",
      a_json: "json?",
      a_jsonb: "jsonb?",
      a_mood: { type: "enum", pgType: "store.mood", values: ["sad", "ok", 'Very "happy"'], nullable: true },
      a_point: { type: "other", pgType: "inet", nullable: true },
      integers: { type: "array", of: "integer", nullable: true },
      strings: { type: "array", of: "string", nullable: true },
      moods: {
        type: "array",
        of: { type: "enum", pgType: "store.mood", values: ["sad", "ok", 'Very "happy"'] },
        nullable: true,
      },
      decimals: { type: "array", of: "decimal", nullable: true },
      instants: { type: "array", of: "timestamptz", nullable: true },
      flags: { type: "array", of: "boolean", nullable: true },
      span: { type: "range", of: "integer", nullable: true },
      period: { type: "range", of: "timestamptz", nullable: true },
      prices: { type: "range", of: "decimal", nullable: true },
      days: { type: "range", of: "date", nullable: true },
    },
  },
})
