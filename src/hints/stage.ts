import { LRUCache } from "lru-cache"
import type { Database } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import type { Request, Response, Stage, Warning } from "../execution/request.ts"
import { needsTransaction } from "../execution/run.ts"
import { readHint } from "./hint.ts"
import { factsHold, type IndexFact, indexFacts, relationKey } from "./index-catalog.ts"
import { type HintOption, hintInputs, hintOptionOf } from "./option.ts"
import { type AppliedHint, applyHints, type HintedStatement, loadHints } from "./prepare.ts"
import { type StatementNames, statementNames } from "./relation.ts"
import { needsIndexes, needsNames, resolveHint, settleHints } from "./resolve.ts"
import { type Executor, type HintServer, hintServer, knownHintServer } from "./server.ts"

/** `report.hints`: what became of the hints of a run. */
export interface HintsReport {
  readonly hints: readonly AppliedHint[]
  /** The comment at the beginning of the statement, or null. */
  readonly comment: string | null
  /** Set by SET LOCAL in the statement's transaction. */
  readonly settings: Readonly<Record<string, string>>
  /** The statement was put in other words. */
  readonly rewritten: boolean
  /** Round trips that the hints cost beside the statement's own. */
  readonly extraRoundTrips: number
}

interface Prepared {
  readonly server: HintServer
  readonly facts: readonly IndexFact[]
  /** Under which `facts` are remembered; null where no index is named. */
  readonly factsKey: string | null
  readonly hinted: HintedStatement
}

const nothing: StatementNames = { command: "", relations: [], paths: new Map(), ctes: [] }
const memos = new WeakMap<Database, LRUCache<string, Prepared>>()
/** The last preparation of a list of hints: a query that is a program's constant keeps its own. */
const latest = new WeakMap<HintOption["hints"], Latest>()

interface Latest {
  readonly database: Database
  readonly text: string
  readonly option: HintOption
  readonly prepared: Prepared
}

/**
 * A statement with its hints, for this server. What depends on the text alone is remembered; the server is asked once, its indexes
 * at most once a minute. Throws every coded error of hints before the statement is sent.
 */
export async function prepareHints(
  database: Database,
  text: string,
  option: HintOption,
  executor: Executor = database,
): Promise<HintedStatement> {
  const before = remembered(database, text, option)
  if (before !== null) return before
  const memo = memoOf(database)
  const key = keyOf(text, option)
  const prepared = await prepare(database, text, option, executor)
  memo.set(key, prepared)
  latest.set(option.hints, { database, text, option, prepared })
  return prepared.hinted
}

/** What was prepared before and still holds, without asking anybody. */
function remembered(database: Database, text: string, option: HintOption): HintedStatement | null {
  const last = latest.get(option.hints)
  const same = last !== undefined && last.text === text && last.database === database && sameOption(last.option, option)
  const prepared = same ? last.prepared : memoOf(database).get(keyOf(text, option))
  if (prepared === undefined || prepared.server !== knownHintServer(database)) return null
  if (prepared.factsKey !== null && !factsHold(database, prepared.factsKey, prepared.facts)) return null
  if (!same) latest.set(option.hints, { database, text, option, prepared })
  return prepared.hinted
}

function sameOption(a: HintOption, b: HintOption): boolean {
  return a === b || (a.paths === b.paths && a.defaults === b.defaults)
}

function memoOf(database: Database): LRUCache<string, Prepared> {
  let memo = memos.get(database)
  if (memo === undefined) {
    memo = new LRUCache({
      max: 500,
      maxSize: 4_000_000,
      maxEntrySize: 400_000,
      sizeCalculation: (_prepared, key) => key.length + 1,
    })
    memos.set(database, memo)
  }
  return memo
}

function keyOf(text: string, option: HintOption): string {
  return JSON.stringify([option.hints, option.defaults, option.paths === undefined ? null : [...option.paths], text])
}

async function prepare(database: Database, text: string, option: HintOption, executor: Executor): Promise<Prepared> {
  const hints = hintInputs(option).flatMap(readHint)
  const names = needsNames(hints) ? await statementNames(text, option.paths) : nothing
  const server = await hintServer(database, executor)
  const indexed = needsIndexes(hints)
  const facts = indexed ? await indexFacts(database, names.relations, executor) : []
  const resolved = settleHints(hints.map((hint) => resolveHint(hint, names, facts)))
  if (resolved.some(({ kind }) => kind === "order" || kind === "cte")) await loadHints()
  const hinted = applyHints(text, resolved, names, server)
  checkTransaction(text, hinted)
  return { server, facts, factsKey: indexed ? relationKey(names.relations) : null, hinted }
}

/** Settings need a transaction, which some commands refuse to run in. */
function checkTransaction(text: string, hinted: HintedStatement): void {
  if (Object.keys(hinted.settings).length === 0) return
  const command = text.replace(/^(?:\s+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, "")
  if (
    !/^(?:(?:create\s+(?:unique\s+)?|drop\s+|reindex\b[^;]*)index\s+concurrently|reindex\b[^;]*\bconcurrently|vacuum|(?:create|drop)\s+(?:database|tablespace)|alter\s+system)\b/i.test(
      command,
    )
  )
    return
  throw new SelectoError(
    "E_NOT_SUPPORTED",
    `The hint ${hinted.applied[0]!.hint} is set in a transaction, and this command runs in none. Set it for the role (ALTER ROLE … SET) or on a connection of your own.`,
    { path: hinted.applied[0]!.hint },
  )
}

/** The pipeline's stage `hint`: reads `request.options.hint`, adds comment and settings, and tells in `report.hints`. */
export function hintStage(database: Database): Stage {
  const hintedOf = (request: Request, option: HintOption): HintedStatement | Promise<HintedStatement> =>
    remembered(database, request.statement.text, option) ??
    prepareHints(database, request.statement.text, option, request.transaction?.session ?? database)
  const run = async (request: Request, option: HintOption, next: (request: Request) => Promise<Response>): Promise<Response> => {
    const found = hintedOf(request, option)
    const hinted = found instanceof Promise ? await found : found
    const { rows, columns, report } = await next(changed(request, option, hinted))
    return { rows, columns, report: { ...report, hints: reportOf(database, request, hinted) } }
  }
  return {
    name: "hint",
    run: (request, next) => {
      const option = hintOptionOf(request.options.hint)
      return option === null ? next(request) : run(request, option, next)
    },
    prepare: async (request) => {
      const option = hintOptionOf(request.options.hint)
      return option === null ? request : changed(request, option, await hintedOf(request, option))
    },
  }
}

function changed(request: Request, option: HintOption, hinted: HintedStatement): Request {
  const warnings = unenforced(hinted, option)
  return {
    ...request,
    statement: { text: hinted.text, values: request.statement.values },
    settings: { ...request.settings, ...hinted.settings },
    warnings: warnings.length === 0 ? request.warnings : [...request.warnings, ...warnings],
  }
}

function unenforced(hinted: HintedStatement, option: HintOption): Warning[] {
  const lost = hinted.applied.filter(({ mechanism }) => mechanism === "none")
  if (lost.length > 0 && option.unenforceable === "error")
    throw new SelectoError("E_HINT_NOT_ENFORCEABLE", `The hint ${lost[0]!.hint} cannot be enforced here: ${lost[0]!.reason}.`, {
      path: lost[0]!.hint,
    })
  return lost.map(({ hint, reason }) => ({ code: "hint_not_enforceable", message: `The hint ${hint} has no effect: ${reason}.` }))
}

function reportOf(database: Database, request: Request, hinted: HintedStatement): HintsReport {
  const { applied: hints, comment, settings, rewritten } = hinted
  return {
    hints,
    comment,
    settings,
    rewritten,
    extraRoundTrips: extraRoundTrips(database, request, Object.keys(settings).length),
  }
}

/**
 * A comment travels with its statement. Settings travel in one batch with BEGIN, statement and COMMIT where the driver sends batches
 * in one round trip; else BEGIN with the settings and COMMIT are two more. In a transaction of the caller's, what was in force is
 * told when it is changed, and put back in the end: one more in a batch, two without.
 */
function extraRoundTrips(database: Database, request: Request, settings: number): number {
  if (settings === 0) return 0
  const { pipeline } = database.capabilities
  if (request.transaction !== null) return pipeline ? 1 : 2
  return pipeline || needsTransaction(request) ? 0 : 2
}
