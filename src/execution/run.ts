import type { Database, QueryOptions, Result, ResultField, Session, Statement, TextRow } from "../database/database.ts"
import { rowDecoder } from "./decode.ts"
import type { Report, Request, Response } from "./request.ts"
import {
  beginStatement,
  checkAgainst,
  commitStatement,
  rollback,
  settingStatement,
  settingText,
  snapshotStatement,
} from "./transaction.ts"

/** Moments of one run, from performance.now(). */
interface Clock {
  start: number
  acquired: number
  replied: number
}

/**
 * The last station: runs the statement. Where nothing asks for a transaction it is one round trip on any session; else one
 * transaction satisfies everything the request asks for, and is ended in every ending.
 */
export async function run(database: Database, request: Request): Promise<Response> {
  const start = performance.now()
  const clock: Clock = { start, acquired: start, replied: 0 }
  const options: QueryOptions = {
    signal: request.signal,
    timeoutMs: request.timeoutMs,
    onFirstReply: () => {
      if (clock.replied === 0) clock.replied = performance.now()
    },
    onAcquired: () => {
      clock.acquired = performance.now()
    },
  }
  const result = await fetchRows(database, request, options, clock)
  return respond(request, result, clock)
}

interface Fetched {
  readonly rows: unknown[]
  readonly fields: readonly ResultField[]
  /** When the last row was there, before decoding. */
  readonly arrived: number
}

async function fetchRows(database: Database, request: Request, options: QueryOptions, clock: Clock): Promise<Fetched> {
  if (request.transaction !== null) return inOpenTransaction(request.transaction.session, request, options)
  if (needsTransaction(request)) return inTransaction(database, request, options, clock)
  if (request.onSession !== undefined) return onOwnSession(database, request, request.onSession, options, clock)
  if (request.output === null) {
    const { rows, fields } = await database.query(sent(request), options)
    return { rows, fields, arrived: performance.now() }
  }
  return decoded(request, await database.queryText(sent(request), options))
}

/** Whether the request asks for anything that only a transaction can give. */
export function needsTransaction(request: Request): boolean {
  return (
    request.isolation !== null ||
    request.readOnly ||
    request.snapshot !== null ||
    request.prelude.length > 0 ||
    hasSettings(request)
  )
}

/** The statement as it goes over the wire. */
export function sent({ statement, comment }: Request): Statement {
  return comment === undefined ? statement : { text: `${statement.text} ${comment}`, values: statement.values }
}

function hasSettings(request: Request): boolean {
  for (const _ in request.settings) return true
  return false
}

/**
 * What comes before the statement in its transaction, in order. Without a pipeline every statement is a round trip of its own, so
 * BEGIN and the settings then share one message.
 */
export function opening(request: Request, pipelined = true): Statement[] {
  // A snapshot can only be taken over at repeatable read or above, before the first query.
  const isolation = request.isolation ?? (request.snapshot === null ? null : "repeatable read")
  const statements = [beginStatement(isolation, request.readOnly)]
  if (request.snapshot !== null) statements.push(snapshotStatement(request.snapshot))
  const settings = Object.entries(request.settings)
  if (pipelined) for (const [name, value] of settings) statements.push(settingStatement(name, value))
  else if (settings.length > 0) {
    const texts = [...statements.splice(0).map(({ text }) => text), ...settings.map(([name, value]) => settingText(name, value))]
    statements.push({ text: texts.join("; "), values: [] })
  }
  statements.push(...request.prelude)
  return statements
}

async function inTransaction(database: Database, request: Request, options: QueryOptions, clock: Clock): Promise<Fetched> {
  const session = await database.acquire({ signal: request.signal, timeoutMs: request.timeoutMs })
  clock.acquired = performance.now()
  request.onSession?.(session)
  let healthy = true
  try {
    const before = opening(request, database.capabilities.pipeline)
    const results = await session.batch([...before, sent(request), commitStatement], options)
    request.onPrelude?.(results.slice(before.length - request.prelude.length, before.length))
    return converted(session, request, results[before.length]!)
  } catch (error) {
    healthy = await rollback(session)
    throw error
  } finally {
    session.release(!healthy)
  }
}

/** Without a transaction too, who wants to know the session gets it before the statement is sent. */
async function onOwnSession(
  database: Database,
  request: Request,
  onSession: NonNullable<Request["onSession"]>,
  options: QueryOptions,
  clock: Clock,
): Promise<Fetched> {
  const session = await database.acquire({ signal: request.signal, timeoutMs: request.timeoutMs })
  clock.acquired = performance.now()
  try {
    onSession(session)
    return converted(session, request, await session.queryText(sent(request), options))
  } finally {
    session.release()
  }
}

/** In somebody else's transaction, settings last for this statement only: what was in force before is put back. */
async function inOpenTransaction(session: Session, request: Request, options: QueryOptions): Promise<Fetched> {
  checkAgainst(request.transaction!, request)
  request.onSession?.(session)
  const settings = Object.entries(request.settings)
  if (settings.length === 0 && request.prelude.length === 0) {
    if (request.output === null) {
      const { rows, fields } = await session.query(sent(request), options)
      return { rows, fields, arrived: performance.now() }
    }
    return decoded(request, await session.queryText(sent(request), options))
  }
  // One statement tells what was in force and changes it, another puts it back: a round trip each where nothing is pipelined.
  const old = settings.length === 0 ? [] : (await session.queryText(exchange(settings), options)).rows[0]!
  const restores = settings.length === 0 ? [] : [exchange(settings.map(([name], index) => [name, old[index] ?? ""]))]
  const results = await session.batch([...request.prelude, sent(request), ...restores], options)
  return converted(session, request, results[request.prelude.length]!)
}

/** Changes settings and gives what they were before: the subquery, which OFFSET keeps apart, is read first. */
function exchange(settings: readonly (readonly [name: string, value: string])[]): Statement {
  const before = settings.map((_setting, index) => `current_setting($${2 * index + 1}, true) AS old_${index}`)
  const changes = settings.map((_setting, index) => `set_config($${2 * index + 1}, $${2 * index + 2}, true)`)
  return {
    text: `SELECT old.*, ${changes.join(", ")} FROM (SELECT ${before.join(", ")} OFFSET 0) old /* selecto:execution */`,
    values: settings.flat(),
  }
}

function decoded(request: Request, result: Result<TextRow>): Fetched {
  const arrived = performance.now()
  return { rows: result.rows.map(rowDecoder(request.output!, result.fields)), fields: result.fields, arrived }
}

function converted(session: Session, request: Request, result: Result<TextRow>): Fetched {
  if (request.output !== null) return decoded(request, result)
  const arrived = performance.now()
  return { rows: result.rows.map(session.converter(result.fields)), fields: result.fields, arrived }
}

function respond(request: Request, { rows, fields, arrived }: Fetched, clock: Clock): Response {
  const replied = clock.replied === 0 ? arrived : clock.replied
  const report: Report = {
    source: "database",
    view: null,
    asOf: null,
    hints: null,
    parallel: null,
    route: null,
    timings: {
      poolWait: clock.acquired - clock.start,
      server: replied - clock.acquired,
      transfer: arrived - replied,
      total: performance.now() - clock.start,
    },
    sql: request.statement.text,
    warnings: request.warnings,
  }
  return { rows, columns: fields, report }
}
