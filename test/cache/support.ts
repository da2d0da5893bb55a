import pg from "pg"
import { afterAll, beforeAll } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { ConnectOptions } from "../../src/client/options.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import { type Template, type TestDatabase, testDatabase } from "../support/test-database.ts"

/** Small tables with a view, a function and a partition. */
export const shopTables: Template = {
  name: "cache_shop",
  build: async ({ exec }) => {
    await exec(`
      create table customers (id int primary key, region text not null, seen timestamptz not null default '2024-01-01', extra jsonb, raw bytea);
      create table orders (id int primary key, customer_id int not null references customers on delete cascade, total numeric not null);
      create table log (id int not null, note text) partition by range (id);
      create table log_low partition of log for values from (0) to (1000);
      create table other (id int primary key, n int not null);
      create view big_orders as select o.id, o.total, c.region from orders o join customers c on c.id = o.customer_id where o.total > 50;
      create view clocked as select id, now() as at from orders;
      create function doubled(n numeric) returns numeric language sql immutable as 'select 2 * n';
      insert into customers select n, 'region ' || n % 3, '2024-01-01', jsonb_build_object('n', n), '\\x0102' from generate_series(1, 20) n;
      insert into orders select n, 1 + n % 20, n from generate_series(1, 100) n;
      insert into log select n, 'note ' || n from generate_series(1, 50) n;
      insert into other select n, n from generate_series(1, 10) n;
      analyze`)
  },
}

export interface CacheShop {
  readonly database: TestDatabase
  readonly pool: pg.Pool
  /** A Selecto of the test's own, closed after its file. */
  open(options?: ConnectOptions): Selecto
  /** Statements past the library. */
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

export function cacheShop(version: number): CacheShop {
  const database = testDatabase({ version, template: shopTables })
  const opened: Selecto[] = []
  let pool: pg.Pool
  let client: pg.Client
  beforeAll(async () => {
    pool = new pg.Pool({ connectionString: database.url, max: 8 })
    pool.on("error", () => {})
    client = await database.client()
  })
  afterAll(async () => {
    await Promise.all(opened.map((selecto) => selecto.close()))
    await pool?.end()
  })
  return {
    database,
    get pool() {
      return pool
    },
    open: (options) => {
      const selecto = connect(pool, options)
      opened.push(selecto)
      return selecto
    },
    query: async (text, values) => (await client.query(text, values)).rows,
  }
}
