import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { pipeline } from "../../src/execution/pipeline.ts"
import type { OpenTransaction, Request, Response } from "../../src/execution/request.ts"
import { addHint, type HintName, type HintOption, type HintsReport, hintStage } from "../../src/hints/index.ts"
import type { Target } from "../support/each-server.ts"
import type { Template } from "../support/test-database.ts"

/** A shop, large enough that plans differ. */
export const shop: Template = {
  name: "hints_shop",
  async build({ exec }) {
    await exec(`
      create table customers (id int primary key, email text not null, region text not null, tags text[] not null default '{}');
      create table products (id int primary key, name text not null);
      create table orders (id int primary key, customer_id int not null, status text not null, total numeric not null);
      create table order_items (id int primary key, order_id int not null, product_id int not null, quantity int not null);
      create table parts (id int not null, bucket int not null) partition by range (bucket);
      create table parts_low partition of parts for values from (0) to (50);
      create table parts_high partition of parts for values from (50) to (100);
      insert into customers select g, 'c' || g || '@example.com', 'r' || g % 10, array['t' || g % 7] from generate_series(1, 2000) g;
      insert into products select g, 'p' || g from generate_series(1, 200) g;
      insert into orders select g, 1 + g % 2000, case when g % 50 = 0 then 'open' else 'done' end, g % 100 from generate_series(1, 20000) g;
      insert into order_items select g, 1 + g % 20000, 1 + g % 200, g % 5 from generate_series(1, 40000) g;
      insert into parts select g, g % 100 from generate_series(1, 10000) g;
      create index customers_email_idx on customers (email);
      create index customers_region_idx on customers (region);
      create index customers_tags_idx on customers using gin (tags);
      create index orders_customer_idx on orders (customer_id);
      create index orders_status_idx on orders (status);
      create index order_items_order_idx on order_items (order_id);
      create index parts_id_idx on parts (id);
      analyze;
    `)
  },
}

/** Opened and closed by the test. */
export function databaseOf(target: Target): Database {
  return openDatabase(target.source)
}

export function requestOf(
  text: string,
  values: readonly unknown[],
  option: HintOption | null,
  more: Partial<Request> = {},
): Request {
  return {
    statement: { text, values },
    output: null,
    origin: { kind: "statement", name: null },
    signal: undefined,
    timeoutMs: undefined,
    transaction: null as OpenTransaction | null,
    isolation: null,
    readOnly: false,
    settings: {},
    prelude: [],
    snapshot: null,
    options: option === null ? {} : { hint: option },
    warnings: [],
    ...more,
  }
}

export interface Hinted extends Response {
  readonly hints: HintsReport
}

/** Runs a statement with hints through the pipeline. */
export async function runHinted(
  database: Database,
  text: string,
  values: readonly unknown[],
  option: HintOption,
  more: Partial<Request> = {},
): Promise<Hinted> {
  const response = await pipeline(database, [hintStage(database)]).run(requestOf(text, values, option, more))
  return { ...response, hints: response.report.hints as HintsReport }
}

/** Hints from pairs of name and value, unchecked by the compiler: for tables of cases. */
export function hintsOf(...pairs: readonly (readonly [string, unknown])[]): HintOption {
  return pairs.reduce<HintOption | undefined>(
    (option, [name, value]) => addHint(option, name as HintName, value as never),
    undefined,
  )!
}

export const threeTables =
  "select o.id, c.email, i.quantity from orders o join customers c on c.id = o.customer_id join order_items i on i.order_id = o.id where o.status = 'open'"
export const twoTables = "select o.id, c.email from orders o join customers c on c.id = o.customer_id where o.status = 'open'"
