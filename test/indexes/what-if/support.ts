import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { Database, Session } from "../../../src/database/database.ts"
import { openDatabase } from "../../../src/database/open.ts"
import type { CandidateIndex } from "../../../src/indexes/what-if/index.ts"
import type { Target } from "../../support/each-server.ts"
import type { Template } from "../../support/test-database.ts"

/** Small tables with everything the copy must carry: names that need quotes, partitions, views, statistics of all kinds. */
export const shop: Template = {
  name: "whatif_shop",
  async build(filler) {
    await filler.exec(`
      create schema "Späti";
      create type mood as enum ('good', 'bad', 'it''s complicated');
      create domain positive as int check (value > 0);
      create function twice(n int) returns int language sql immutable as 'select n * 2';
      create function shout(t text) returns text language plpgsql immutable as 'begin return upper(t) || ''!''; end';
      create table customers (id int primary key, email text not null, region text not null, gone int, score positive);
      alter table customers drop column gone;
      create table orders (id bigint primary key, customer_id int not null references customers(id), status text not null,
        total numeric(12,2), created_at timestamp not null, tags text[] not null, how mood not null);
      create index orders_customer on orders (customer_id);
      create index orders_mood on orders (how) where how <> 'good';
      create index orders_twice on orders (twice(customer_id));
      create table "Späti"."Kunden ""Liste""" ("Straße" text, "select" int);
      create table parts (id int not null, at date not null, what text) partition by range (at);
      create table parts_2023 partition of parts for values from ('2023-01-01') to ('2024-01-01');
      create table parts_2024 partition of parts for values from ('2024-01-01') to ('2025-01-01');
      create index parts_id on parts (id);
      create table animals (name text);
      create table cats (lives int) inherits (animals);
      create view paid as select o.id, c.email, o.total from orders o join customers c on c.id = o.customer_id where o.status = 'paid';
      create materialized view regions as select region, count(*) as n from customers group by region;
      create table empty (a int, b text);
      insert into customers select i, 'secret' || i || '@example.com', (array['EU','EU','EU','US'])[1 + i % 4], 1 + i % 50 from generate_series(1, 5000) i;
      insert into orders select i, 1 + (i * 7919) % 5000, (array['paid','paid','paid','sent','void'])[1 + (i * 31) % 5], (i * 37 % 9973) / 3.0,
        timestamp '2023-01-01' + i * interval '10 minutes', array['t' || i % 40, 'u' || i % 7], (array['good','good','good','bad'])[1 + i % 4]::mood from generate_series(1, 40000) i;
      insert into "Späti"."Kunden ""Liste""" select 'Straße ' || i, i from generate_series(1, 3000) i;
      insert into parts select i, date '2023-01-01' + i % 730, 'part ' || i % 100 from generate_series(1, 20000) i;
      insert into animals select 'animal ' || i from generate_series(1, 1000) i;
      insert into cats select 'cat ' || i, 7 from generate_series(1, 1000) i;
      refresh materialized view regions;
      create statistics customers_pairs (ndistinct, dependencies, mcv) on region, score from customers;
    `)
    const { rows } = await filler.query("select current_setting('server_version_num')::int >= 140000 as new")
    if (rows[0]!.new) await filler.exec("create statistics orders_day on (date_trunc('month', created_at)) from orders")
    await filler.exec("vacuum analyze")
  },
}

export function candidate(table: string, keys: readonly string[], more: Partial<CandidateIndex> = {}): CandidateIndex {
  return { id: `${table}(${keys.join()})`, schema: "public", table, method: "btree", keys, include: [], where: null, ...more }
}

/** A cache folder that all tests of the run share, so that only the first start initialises a directory. */
export function sharedCache(): string {
  return join(process.env.SELECTO_TEST_FOLDER ?? tmpdir(), "shadow-cache")
}

/** A fresh folder, removed at the end of the file. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "selecto-whatif-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A database that keeps every text sent through it; its own pool is closed with it. */
export function recording(target: Target): Database & { readonly sent: string[] } {
  const database = openDatabase(target.source)
  const sent: string[] = []
  const wrapped = (session: Session): Session =>
    new Proxy(session, {
      get(own, key) {
        const value = Reflect.get(own, key, own) as unknown
        if (typeof value !== "function") return value
        return (...args: unknown[]) => {
          const text = (args[0] as { text?: unknown } | undefined)?.text
          if (typeof text === "string") sent.push(text)
          return (value as (...all: unknown[]) => unknown).apply(own, args)
        }
      },
    })
  return new Proxy(database, {
    get(own, key) {
      if (key === "sent") return sent
      if (key === "acquire") return async (options: never) => wrapped(await own.acquire(options))
      const value = Reflect.get(own, key, own) as unknown
      if (typeof value !== "function") return value
      return (...args: unknown[]) => {
        const text = (args[0] as { text?: unknown } | undefined)?.text
        if (typeof text === "string") sent.push(text)
        return (value as (...all: unknown[]) => unknown).apply(own, args)
      }
    },
  }) as Database & { readonly sent: string[] }
}

interface Node {
  readonly "Node Type": string
  readonly "Total Cost": number
  readonly "Index Name"?: string
  readonly Plans?: readonly Node[]
}

/** Production's own plan. */
export async function truth(target: Target, text: string): Promise<Node> {
  const { rows } = await target.sql.query(`explain (format json) ${text}`)
  const plan = rows[0]!["QUERY PLAN"] as string | [{ Plan: Node }]
  return (typeof plan === "string" ? (JSON.parse(plan) as [{ Plan: Node }]) : plan)[0].Plan
}

export function shapeOf(node: Node): string {
  return `${node["Node Type"]}(${(node.Plans ?? []).map(shapeOf).join(",")})`
}

export function rootOf(plan: unknown): Node {
  return (plan as [{ Plan: Node }])[0].Plan
}
