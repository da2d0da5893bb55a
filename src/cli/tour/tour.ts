import { randomBytes } from "node:crypto"
import { connect } from "../../client/connect.ts"
import type { Selecto } from "../../client/selecto.ts"
import type { Session } from "../../database/database.ts"
import { refuseAborted } from "../../database/deadline.ts"
import { openPgliteWorker } from "../../database/pglite-worker.ts"
import { SelectoError } from "../../errors.ts"
import { quoteIdentifier } from "../../sql/identifier.ts"
import { formatMs, type Terminal, table } from "../terminal.ts"
import { loadPagila, pagilaQueries } from "./pagila.ts"
import { salesQueries, salesView, sharedQuery, type TourQuery, tourQueries } from "./queries.ts"
import { share } from "./share.ts"
import { storeSize, storeSteps } from "./store.ts"
import { viewChapter } from "./views.ts"
import { type Improvement, improve, paint } from "./walk.ts"

export interface TourOptions {
  /** Run on this server, in a new schema of random name that is removed at the end. Default: an embedded database. */
  readonly databaseUrl?: string | undefined
  /** Folder of the Pagila dump, asked instead of the tour's own store. Embedded database only. */
  readonly pagila?: string | undefined
  /** Size of the store; 1 is about 300,000 order items. */
  readonly scale?: number | undefined
  readonly json?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** The guided demonstration. Returns what it measured, in the order of its questions. */
export async function tour(terminal: Terminal, options: TourOptions): Promise<readonly Improvement[]> {
  const scale = options.scale ?? 1
  if (!(scale > 0 && scale <= 100))
    throw new SelectoError("E_INVALID_OPTION", "--scale is a number above 0, at most 100.", { path: "scale" })
  if (options.pagila !== undefined && options.databaseUrl !== undefined)
    throw new SelectoError("E_INVALID_OPTION", "--pagila loads the dump into the embedded database; leave out --database-url.", {
      path: "pagila",
    })
  const say = options.json === true ? (): void => {} : terminal.out
  terminal.progress("starting PostgreSQL…")
  const started = performance.now()
  const { selecto, close } = await open(options)
  try {
    return await walk(selecto, terminal, options, scale, say, started)
  } finally {
    terminal.progress(null)
    await close()
  }
}

async function walk(
  selecto: Selecto,
  terminal: Terminal,
  options: TourOptions,
  scale: number,
  say: (text: string) => void,
  started: number,
): Promise<readonly Improvement[]> {
  const { serverVersion } = await selecto.capabilities()
  const where = options.databaseUrl === undefined ? "embedded in this process" : "yours, in a schema of its own"
  say(
    `${paint(terminal).bold("selecto tour")}  PostgreSQL ${serverText(serverVersion)}, ${where} (${formatMs(performance.now() - started)})\n`,
  )
  const store = await makeStore(selecto, terminal, options, scale, say)
  try {
    const improvements: Improvement[] = []
    for (const [index, question] of store.questions.entries()) {
      refuseAborted(options.signal)
      improvements.push(await improve(selecto, terminal, say, question, { detailed: index === 0, signal: options.signal }))
    }
    refuseAborted(options.signal)
    if (store.shared !== null) await share(selecto, terminal, say, store.shared, options.signal)
    refuseAborted(options.signal)
    // Pagila is as it was dumped: nothing is made in it but indexes.
    if (store.schema !== null)
      await viewChapter(selecto, store.schema, salesQueries(selecto, store.schema), terminal, say, options.signal)
    say(summary(improvements, terminal))
    return improvements
  } finally {
    terminal.progress(null)
    await store.remove()
  }
}

async function open(options: TourOptions): Promise<{ selecto: Selecto; close: () => Promise<void> }> {
  if (options.databaseUrl !== undefined) {
    const selecto = connect(options.databaseUrl, { applicationName: "selecto tour" })
    return { selecto, close: () => selecto.close() }
  }
  const database = await openPgliteWorker()
  return { selecto: connect(database), close: () => database.close() }
}

interface Store {
  readonly questions: readonly TourQuery[]
  /** Shared among sessions; null where nothing is large enough to be. */
  readonly shared: TourQuery | null
  /** Of the tour's own store; null over a dump. */
  readonly schema: string | null
  remove(): Promise<void>
}

async function makeStore(
  selecto: Selecto,
  terminal: Terminal,
  options: TourOptions,
  scale: number,
  say: (text: string) => void,
): Promise<Store> {
  const started = performance.now()
  if (options.pagila !== undefined) {
    const folder = options.pagila
    terminal.progress("loading Pagila…")
    await withSession(selecto, (session) => loadPagila(session, folder))
    say(`The Pagila sample database, loaded from ${folder} (${formatMs(performance.now() - started)})\n`)
    return { questions: pagilaQueries(selecto), shared: null, schema: null, remove: async () => {} }
  }
  const schema = options.databaseUrl === undefined ? "store" : `selecto_tour_${randomBytes(6).toString("hex")}`
  const size = storeSize(scale)
  const remove = (): Promise<void> => (options.databaseUrl === undefined ? Promise.resolve() : removeStore(selecto, schema))
  try {
    await withSession(selecto, async (session) => {
      await session.query({ text: `create schema ${quoteIdentifier(schema)} /* selecto:tour */`, values: [] })
      for (const step of storeSteps(schema, size)) {
        refuseAborted(options.signal)
        terminal.progress(`making a store: ${step.title}…`)
        await session.query({ text: step.sql, values: [] }, { signal: options.signal })
      }
    })
  } catch (error) {
    await remove().catch(() => {})
    throw error
  }
  terminal.progress(null)
  const n = (count: number): string => count.toLocaleString("en-US")
  say(
    `A store with ${n(size.customers)} customers, ${n(size.products)} products, ${n(size.orders)} orders and ${n(size.orders * 3)} order items, ` +
      `as lopsided as real ones (${formatMs(performance.now() - started)})\n`,
  )
  return { questions: tourQueries(selecto, schema, size), shared: sharedQuery(selecto, schema), schema, remove }
}

/** Exactly what makeStore made, by name; anything else in the schema makes the last statement fail instead of going with it. */
async function removeStore(selecto: Selecto, schema: string): Promise<void> {
  const q = quoteIdentifier(schema)
  await withSession(selecto, async (session) => {
    await session.query({
      text: `drop materialized view if exists ${q}.${quoteIdentifier(salesView)} /* selecto:tour */`,
      values: [],
    })
    for (const name of ["order_items", "orders", "products", "customers"])
      await session.query({ text: `drop table if exists ${q}.${name} /* selecto:tour */`, values: [] })
    await session.query({ text: `drop schema if exists ${q} /* selecto:tour */`, values: [] })
  })
}

async function withSession<T>(selecto: Selecto, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await selecto.database.acquire()
  try {
    return await work(session)
  } finally {
    session.release()
  }
}

function serverText(version: number): string {
  return `${Math.floor(version / 10_000)}.${version % 10_000}`
}

function summary(improvements: readonly Improvement[], terminal: Terminal): string {
  const rows = improvements.map(({ title, before, after, indexes }) => [
    title,
    formatMs(before.ms),
    formatMs(after.ms),
    `${(before.ms / after.ms).toFixed(before.ms / after.ms < 10 ? 1 : 0)}x`,
    indexes.length === 0 ? "none would help" : `${indexes.length} new`,
  ])
  const bold = paint(terminal).bold
  return `${bold("Before and after")}\n${table(["question", "before", "after", "faster", "indexes"], rows, terminal.width)}\n`
}
