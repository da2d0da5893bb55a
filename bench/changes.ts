import pg from "pg"
import { currentMark, type TrackOptions, track } from "../src/changes/index.ts"
import type { Database } from "../src/database/database.ts"
import { openDatabase } from "../src/database/open.ts"
import type { BenchResult } from "./support/compare.ts"
import { interleave } from "./support/interleave.ts"
import { prepare, withServer } from "./support/server.ts"

const writers = 4
/** How a table is tracked; the first is the reference. */
const kinds: Readonly<Record<string, TrackOptions | null>> = {
  "no trigger": null,
  "change log": { log: true },
  NOTIFY: { log: false, notify: true },
  "log and NOTIFY": { log: true, notify: true },
}
const tableOf = (kind: string): string => `orders_${Object.keys(kinds).indexOf(kind)}`

/** Orders as a shop has them: a key, a reference, a date, each with its index. */
const columns = `id bigserial primary key, customer_id int not null, status text not null, total numeric not null,
  created_at timestamptz not null default now()`
const schema = Object.keys(kinds)
  .map(
    (
      kind,
    ) => `create table ${tableOf(kind)} (${columns}); create index on ${tableOf(kind)} (customer_id); create index on ${tableOf(kind)} (created_at);
      insert into ${tableOf(kind)} (customer_id, status, total) select g % 1000, 'open', g from generate_series(1, 10000) g;`,
  )
  .join("\n")

/**
 * What a trigger adds to a single-row write: four writers, each on a connection of its own, synchronous_commit off (the server's setting
 * here). Once as programs write, waiting for each answer, and once as fast as the server can, a hundred transactions a message. And what the
 * test costs that reads the log.
 */
export async function changesBench(): Promise<BenchResult[]> {
  return withServer(18, async (url) => {
    await prepare(url, schema)
    const database = openDatabase(url)
    for (const [kind, options] of Object.entries(kinds))
      if (options !== null) await track(database, [tableOf(kind)], { ...options, owner: "bench" })
    const clients = await Promise.all(
      Array.from({ length: writers }, async () => {
        const client = new pg.Client({ connectionString: url })
        client.on("error", () => {})
        await client.connect()
        return client
      }),
    )
    const results = [
      await writes(clients, "changes-insert", "inserting a row", (kind, n) => [
        `insert into ${tableOf(kind)} (customer_id, status, total) values ($1, 'open', $2)`,
        [n % 1000, n],
      ]),
      await writes(clients, "changes-update", "updating a row by its key", (kind, n) => [
        `update ${tableOf(kind)} set status = 'paid', total = $2 where id = $1`,
        [1 + ((n * 7919) % 10_000), n],
      ]),
      await bound(clients),
      await reading(database, clients),
    ]
    await Promise.all(clients.map((client) => client.end()))
    await database.close()
    return results
  })
}

/** Each writer has one statement under way: the running number says whose turn it is. */
function lanes(clients: readonly pg.Client[]): (work: (client: pg.Client) => Promise<unknown>) => Promise<unknown> {
  const free = [...clients]
  return async (work) => {
    const client = free.pop()!
    await work(client)
    free.push(client)
  }
}

async function writes(
  clients: readonly pg.Client[],
  name: string,
  what: string,
  statement: (kind: string, n: number) => [text: string, values: unknown[]],
): Promise<BenchResult> {
  const lane = lanes(clients)
  const shapes = Object.keys(kinds).map(
    (kind) => [kind, (n: number) => lane((client) => client.query(...statement(kind, n)))] as const,
  )
  return await interleave(
    name,
    `${what}, ${writers} writers that wait for each answer, microseconds a write`,
    Object.fromEntries(shapes),
    "no trigger",
    { rounds: 25, calls: 1200, concurrency: writers },
  )
}

/** Transactions in one message: nothing but the server's own work. */
async function bound(clients: readonly pg.Client[]): Promise<BenchResult> {
  const lane = lanes(clients)
  const batch = 100
  const shapes = Object.keys(kinds).map((kind) => {
    const one = `begin; insert into ${tableOf(kind)} (customer_id, status, total) values (7, 'open', 1); commit;`
    return [kind, () => lane((client) => client.query(one.repeat(batch)))] as const
  })
  const result = await interleave(
    "changes-bound",
    `inserting a row, ${writers} writers at the server's limit, microseconds a write`,
    Object.fromEntries(shapes),
    "no trigger",
    { rounds: 15, calls: 16, concurrency: writers },
  )
  return { ...result, rows: result.rows.map((row) => ({ ...row, microseconds: row.microseconds / batch })) }
}

async function reading(database: Database, [client]: readonly pg.Client[]): Promise<BenchResult> {
  const oids = (await client!.query("select $1::regclass::oid as a, $2::regclass::oid as b", ["orders_1", "orders_3"])).rows[0]!
  const mark = await currentMark(database)
  const test = "select selecto.changes_since($1::oid[], $2) as changed"
  return await interleave(
    "changes-since",
    "the test whether anything has changed, one connection, microseconds",
    {
      "primary-key query": (n) => client!.query("select * from orders_0 where id = $1", [1 + ((n * 7919) % 10_000)]),
      "one table unchanged": () => client!.query(test, [[oids.a], mark]),
      "two tables unchanged": () => client!.query(test, [[oids.a, oids.b], mark]),
    },
    "primary-key query",
    { rounds: 25, calls: 600 },
  )
}
