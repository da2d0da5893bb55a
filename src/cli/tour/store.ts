import { quoteIdentifier } from "../../sql/identifier.ts"

/**
 * The tour's store: customers, products, orders and their items, made by the server itself from a fixed seed. The values are as
 * lopsided as real ones: few customers place most orders, few products sell most, what is recent is open and what is old is
 * delivered, a region buys what it likes, and small shops order rarely.
 */
export interface StoreSize {
  readonly customers: number
  readonly products: number
  readonly orders: number
}

/** Scale 1 has about 300,000 order items. */
export function storeSize(scale: number): StoreSize {
  const times = (count: number): number => Math.max(10, Math.round(count * scale))
  return { customers: times(20_000), products: times(2_000), orders: times(100_000) }
}

export interface StoreStep {
  readonly title: string
  readonly sql: string
}

/** The statements that make the store in a schema that exists already, in order. Each ends with our comment. */
export function storeSteps(schema: string, size: StoreSize): StoreStep[] {
  const q = quoteIdentifier(schema)
  const { customers, products, orders } = size
  const step = (title: string, sql: string): StoreStep => ({ title, sql: `${sql} /* selecto:tour */` })
  return [
    step(
      "tables",
      `create table ${q}.customers (id integer primary key, email text not null, first_name text not null, last_name text not null,
         region text not null, tier text not null, signed_up timestamptz not null)`,
    ),
    step(
      "tables",
      `create table ${q}.products (id integer primary key, sku text not null, name text not null, category text not null, price numeric(10,2) not null)`,
    ),
    step(
      "tables",
      `create table ${q}.orders (id integer primary key, customer_id integer not null references ${q}.customers (id),
         status text not null, total numeric(12,2) not null, note text, created_at timestamptz not null)`,
    ),
    step(
      "tables",
      `create table ${q}.order_items (id integer primary key, order_id integer not null references ${q}.orders (id),
         product_id integer not null references ${q}.products (id), quantity integer not null, unit_price numeric(10,2) not null)`,
    ),
    step("customers", "select setseed(0.42)"),
    step(
      "customers",
      `insert into ${q}.customers
       select n, 'user' || n || '@example.' || (array['com','org','net'])[1 + n % 3],
         (array['Ada','Grace','Alan','Edsger','Barbara','Donald','Leslie','Frances','John','Radia'])[1 + (n * 7) % 10],
         (array['Lovelace','Hopper','Turing','Dijkstra','Liskov','Knuth','Lamport','Allen','Backus','Perlman'])[1 + (n * 3) % 10],
         case when r < 0.55 then 'EU' when r < 0.83 then 'NA' when r < 0.95 then 'APAC' else 'LATAM' end,
         case when n <= ${Math.ceil(customers / 200)} then 'enterprise' when r < 0.2 then 'business' else 'personal' end,
         timestamptz '2022-01-01 00:00:00+00' + (n * 1.0 / ${customers}) * interval '1000 days'
       from (select n, random() as r from generate_series(1, ${customers}) as n) as c`,
    ),
    step(
      "products",
      `insert into ${q}.products
       select n, 'SKU-' || lpad(n::text, 6, '0'),
         (array['Small','Large','Smart','Classic','Green'])[1 + n % 5] || ' ' || (array['lamp','chair','desk','kettle','radio','clock'])[1 + n % 6],
         (array['light','furniture','furniture','kitchen','audio','home'])[1 + n % 6],
         round((5 + 495 * power(random(), 3))::numeric, 2)
       from generate_series(1, ${products}) as n`,
    ),
    step(
      "orders",
      // power(random(), 3) puts half of the orders on an eighth of the customers; the newest orders are the ones still open.
      `insert into ${q}.orders
       select n, 1 + floor(${customers} * power(a, 3))::integer,
         case when n > ${orders} * 0.985 then (array['pending','paid','shipped'])[1 + floor(b * 3)::integer]
              when b < 0.93 then 'delivered' when b < 0.98 then 'cancelled' else 'returned' end,
         0, case when b > 0.97 then 'leave at the door' end,
         timestamptz '2023-01-01 00:00:00+00' + (n * 1.0 / ${orders}) * interval '1000 days' + b * interval '6 hours'
       from (select n, random() as a, random() as b from generate_series(1, ${orders}) as n) as o`,
    ),
    step(
      "order items",
      `insert into ${q}.order_items
       select row_number() over (), o.id,
         1 + floor(${products} * power(random(), 2.5))::integer, 1 + floor(4 * power(random(), 2))::integer, round((5 + 300 * power(random(), 3))::numeric, 2)
       from ${q}.orders as o cross join lateral generate_series(1, 1 + (o.id * 7919) % 5) as i`,
    ),
    step(
      "totals",
      `update ${q}.orders as o set total = s.total
       from (select order_id, sum(quantity * unit_price) as total from ${q}.order_items group by order_id) as s where s.order_id = o.id`,
    ),
    step("statistics", `vacuum (analyze) ${q}.customers`),
    step("statistics", `vacuum (analyze) ${q}.products`),
    step("statistics", `vacuum (analyze) ${q}.orders`),
    step("statistics", `vacuum (analyze) ${q}.order_items`),
  ]
}
