import pg from "pg"
import { afterAll, afterEach, beforeAll, expect } from "vitest"
import { connect } from "../../src/client/connect.ts"
import type { ConnectOptions } from "../../src/client/options.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import type { ParallelReport } from "../../src/parallel/index.ts"
import { type Template, type TestDatabase, testDatabase } from "../support/test-database.ts"
import { trickyTables } from "./tables.ts"

/** A database with the tricky tables, a pool and a Selecto on it, and the proof after each test that nothing was left behind. */
export interface Workshop {
  readonly database: TestDatabase
  readonly pool: pg.Pool
  readonly selecto: Selecto
  /** Statements past the library. */
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
}

export interface WorkshopOptions {
  readonly template?: Template
  readonly max?: number
  readonly connect?: ConnectOptions
}

export function workshop(version: number, options: WorkshopOptions = {}): Workshop {
  const database = testDatabase({ version, template: options.template ?? trickyTables })
  let pool: pg.Pool
  let selecto: Selecto
  let client: pg.Client
  beforeAll(async () => {
    pool = new pg.Pool({ connectionString: database.url, max: options.max ?? 8 })
    pool.on("error", () => {})
    selecto = connect(pool, options.connect)
    client = await database.client()
  })
  afterAll(async () => {
    await selecto?.close()
    await pool?.end()
  })
  afterEach(async () => {
    expect(await leaks(client, pool), "left behind").toEqual([])
  })
  return {
    database,
    get pool() {
      return pool
    },
    get selecto() {
      return selecto
    },
    query: async (text, values) => (await client.query(text, values)).rows,
  }
}

/** What is still open: transactions, statements at work, clients that were not given back. A backend that is just ending gets two seconds. */
export async function leaks(client: pg.Client, pool: pg.Pool): Promise<string[]> {
  const question = `select format('pid %s is %s: %s', pid, state, left(query, 120)) as line from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'
    union all select format('lock on %s', relation::regclass) from pg_locks join pg_database d on d.oid = database
    where datname = current_database() and pid <> pg_backend_pid() and locktype = 'relation'`
  for (let attempt = 0; ; attempt++) {
    const { rows } = await client.query<{ line: string }>(question)
    const out = pool.totalCount - pool.idleCount
    const found = [...rows.map(({ line }) => line), ...(out === 0 ? [] : [`${out} clients are out`])]
    if (found.length === 0 || attempt === 40) return found
    await client.query("select pg_sleep(0.05)")
  }
}

/** `report.parallel` of a run. */
export function reportOf(result: { readonly report: { readonly parallel: unknown } }): ParallelReport {
  return result.report.parallel as ParallelReport
}
