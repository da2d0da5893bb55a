import { setTimeout as delay } from "node:timers/promises"
import pg from "pg"
import { ResultCache } from "../../src/cache/index.ts"
import { type Selecto, selectoOf } from "../../src/client/selecto.ts"
import { openDatabase } from "../../src/database/open.ts"
import type { Stage } from "../../src/execution/request.ts"
import { hintStage } from "../../src/hints/index.ts"
import { randomOf } from "../support/random.ts"
import { type ServerAddress, urlOf } from "../support/server.ts"
import { startWire, type Wire } from "./wire.ts"

/** What a history came to. */
export interface History {
  reads: number
  hits: number
  commits: number
  rollbacks: number
  faults: number
  /** Reads that failed or could not be judged because of a planted fault. */
  failed: number
  readonly violations: string[]
}

export interface HistoryOptions {
  readonly server: ServerAddress
  readonly database: string
  readonly mode: "strict" | "delivered"
  readonly seed: number
  readonly ms: number
  /** End at the first violation. */
  readonly impatient?: boolean
}

const keys = 8
const heartbeatMs = 150
/** A dead line is known within two heartbeats; the rest is for a busy machine. */
const deadLineMs = 2500

/**
 * Two clients, each with a pool, a listener and a cache of its own as two processes have, read counters through the cache while they
 * and others raise them. Every value that is read is held against what had been committed, as far as the mode has to know of it.
 */
export async function history({ server, database, mode, seed, ms, impatient = false }: HistoryOptions): Promise<History> {
  const url = urlOf(server, database)
  const found: History = { reads: 0, hits: 0, commits: 0, rollbacks: 0, faults: 0, failed: 0, violations: [] }
  const admin = new pg.Client({ connectionString: url })
  admin.on("error", () => {})
  await admin.connect()
  await admin.query(`drop table if exists counters cascade; create table counters (k int primary key, n bigint not null) partition by list (k);
    create table counters_even partition of counters for values in (0, 2, 4, 6); create table counters_odd partition of counters for values in (1, 3, 5, 7);
    create view counted as select k, n from counters; insert into counters select k, 0 from generate_series(0, ${keys - 1}) k`)
  const clients = await Promise.all([0, 1].map((at) => openClient(server, database, mode, diceOf(seed + 100 + at))))
  await clients[0]!.selecto.cache.install(["counters"])
  /** By key the value of the latest commit that has finished, and all of them with their moments. */
  const finished = new Array<number>(keys).fill(0)
  const log: { readonly at: number; readonly k: number; readonly n: number }[] = []
  const end = performance.now() + ms
  const over = (): boolean => performance.now() > end || (impatient && found.violations.length > 0)

  const done = async (k: number, n: number, own: Client | null): Promise<void> => {
    found.commits++
    finished[k] = Math.max(finished[k]!, n)
    log.push({ at: performance.now(), k, n })
    if (own !== null) own.known[k] = Math.max(own.known[k]!, n)
    // When its echo is back, the notices of all earlier commits have been handed over.
    for (const client of clients)
      if (client.cache.ear?.up)
        client.cache.ear.heardAll().then(
          () => {
            client.known[k] = Math.max(client.known[k]!, n)
          },
          () => {},
        )
  }
  const floor = (client: Client, k: number): number => {
    if (mode === "strict") return finished[k]!
    const before = performance.now() - deadLineMs
    let old = 0
    for (let at = log.length - 1; at >= 0; at--) {
      const one = log[at]!
      if (one.k !== k || one.at > before) continue
      old = Math.max(old, one.n)
      if (one.at < before - 10_000) break
    }
    return Math.max(client.known[k]!, old)
  }

  const reader = async (client: Client, at: number): Promise<void> => {
    const random = diceOf(seed + 200 + at)
    const texts = [
      "select n::int as n from counters where k = $1",
      "select n::int as n from counted where k = $1",
      "select max(n)::int as n from counters where k = $1",
    ]
    while (!over()) {
      const k = random.integer(0, keys - 1)
      const least = floor(client, k)
      const started = performance.now()
      try {
        const { rows, report } = await client.selecto
          .statement<{ n: number }>(random.pick(texts), [k])
          .cache()
          .run({ timeoutMs: 20_000 })
        found.reads++
        if (report.source === "cache") found.hits++
        const n = rows[0]?.n ?? -1
        if (n < least)
          found.violations.push(
            `${mode}: key ${k} read as ${n}, ${least} was known ${(performance.now() - started).toFixed(1)} ms before, from the ${report.source}`,
          )
      } catch {
        found.failed++
        await delay(20)
      }
      if (random.boolean(0.4)) await delay(random.integer(0, 3))
    }
  }

  const writer = async (at: number): Promise<void> => {
    const random = diceOf(seed + 300 + at)
    const outside = new pg.Client({ connectionString: url })
    outside.on("error", () => {})
    await outside.connect()
    while (!over()) {
      const k = random.integer(0, keys - 1)
      const table = random.pick(["counters", "counters", k % 2 === 0 ? "counters_even" : "counters_odd"])
      const raise = `update ${table} set n = n + 1 where k = ${k} returning n::int as n`
      const client = random.pick(clients)
      const kind = random.integer(0, 7)
      try {
        // A client that writes knows of a dead line by its own echo: while it is dead, others write.
        switch (client.quiet && (kind === 2 || kind === 3) ? 0 : kind) {
          case 0:
          case 1: {
            const { rows } = await outside.query(raise)
            await done(k, rows[0].n, null)
            break
          }
          case 2: {
            const [row] = await client.selecto.statement<{ n: number }>(raise).execute()
            await done(k, row!.n, client)
            break
          }
          case 3: {
            const row = await client.selecto.transaction(async (tx) => {
              const [first] = await tx.statement<{ n: number }>(raise).execute()
              await delay(random.integer(0, 4))
              return first!
            })
            await done(k, row.n, client)
            break
          }
          case 4: {
            await outside.query("begin")
            await outside.query(raise)
            await outside.query("rollback")
            found.rollbacks++
            break
          }
          case 5: {
            await outside.query(`begin; set local session_replication_role = replica; savepoint a`)
            await outside.query(raise)
            await outside.query("rollback to a")
            const { rows } = await outside.query(raise)
            await delay(random.integer(0, 4))
            await outside.query("commit")
            await done(k, rows[0].n, null)
            break
          }
          case 6: {
            if (!random.boolean(0.2)) break
            await outside.query("begin; lock table counters in access exclusive mode")
            const { rows } = await outside.query("select k, n::int as n from counters")
            await outside.query("truncate counters")
            await outside.query(`insert into counters select k, n + 1 from unnest($1::int[], $2::int[]) as v(k, n)`, [
              rows.map((row) => row.k),
              rows.map((row) => row.n),
            ])
            await outside.query("commit")
            for (const row of rows) await done(row.k, row.n + 1, null)
            break
          }
          default:
            if (random.boolean(0.1))
              await outside.query(
                `create or replace view counted as select k, n from counters where ${random.integer(0, 9)} >= 0`,
              )
        }
      } catch {
        await outside.query("rollback").catch(() => {})
      }
      await delay(random.integer(0, 80))
    }
    await outside.end()
  }

  const breaker = async (): Promise<void> => {
    const random = diceOf(seed + 400)
    while (!over()) {
      await delay(random.integer(500, 2500))
      const client = random.pick(clients)
      const { wire } = client
      found.faults++
      if (random.boolean(0.4)) {
        await admin.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and (query ilike '%listen%' or query ilike '%notify%') and pid <> pg_backend_pid()",
        )
        continue
      }
      client.quiet = true
      if (random.boolean()) wire.freeze()
      else wire.cut()
      await delay(random.integer(deadLineMs + 500, deadLineMs + 2000))
      wire.mend()
      client.quiet = false
    }
  }

  try {
    await Promise.all([
      ...clients.flatMap((client, at) => [0, 1, 2].map((one) => reader(client, 3 * at + one))),
      ...[0, 1, 2].map(writer),
      ...(mode === "delivered" ? [breaker()] : []),
    ])
  } finally {
    for (const client of clients) await client.close()
    await admin.end()
  }
  return found
}

interface Dice {
  /** Both ends included. */
  integer(from: number, to: number): number
  boolean(share?: number): boolean
  pick<T>(items: readonly T[]): T
}

function diceOf(seed: number): Dice {
  const next = randomOf(seed)
  return {
    integer: (from, to) => from + Math.floor(next() * (to - from + 1)),
    boolean: (share = 0.5) => next() < share,
    pick: (items) => items[Math.floor(next() * items.length)]!,
  }
}

interface Client {
  readonly selecto: Selecto
  readonly cache: ResultCache
  readonly wire: Wire
  /** By key the value that this client has to know of. */
  readonly known: number[]
  /** It does not write at present. */
  quiet: boolean
  close(): Promise<void>
}

async function openClient(server: ServerAddress, database: string, mode: "strict" | "delivered", random: Dice): Promise<Client> {
  const wire = await startWire(server)
  const target = openDatabase(urlOf(server, database), {
    directUrl: `postgresql://postgres@127.0.0.1:${wire.port}/${database}`,
    maxConnections: 6,
  })
  const cache = new ResultCache(target, { mode, heartbeat: heartbeatMs })
  // Time between capture, query and store.
  const late: Stage = {
    name: "route",
    run: async (request, next) => {
      if (random.boolean(0.5)) await delay(random.integer(0, 8))
      const response = await next(request)
      if (random.boolean(0.5)) await delay(random.integer(0, 8))
      return response
    },
  }
  const selecto = selectoOf(target, {}, [cache.stage, late, hintStage(target)], { cache })
  return {
    selecto,
    cache,
    wire,
    known: new Array<number>(keys).fill(0),
    quiet: false,
    close: async () => {
      wire.mend()
      await selecto.close()
      await wire.close()
    },
  }
}
