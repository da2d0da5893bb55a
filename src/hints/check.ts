import type { Database, QueryOptions, Result, Session, Statement, TextRow } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import type { OpenTransaction } from "../execution/request.ts"
import { beginStatement, rollback, settingStatement } from "../execution/transaction.ts"
import { type Plan, parsePlan } from "../explain/index.ts"
import { type Hint, readHint } from "./hint.ts"
import { readIndexFacts } from "./index-catalog.ts"
import { type HintNotice, noticeReason, readNotices } from "./notice.ts"
import { type HintOption, hintInputs } from "./option.ts"
import { type PlanView, verdictOf, viewOf } from "./predicate.ts"
import { type AppliedHint, applyHints, type HintedStatement, loadHints } from "./prepare.ts"
import { type StatementNames, statementNames } from "./relation.ts"
import { needsIndexes, type ResolvedHint, resolveHint, settleHints } from "./resolve.ts"
import { commentsOf } from "./scan-text.ts"
import { probeServer } from "./server.ts"
import { type SettingName, sameSetting, settingEntry } from "./setting.ts"

/** One hint, tried. */
export interface CheckedHint extends AppliedHint {
  readonly status: "honoured" | "ignored" | "unverifiable"
  /** What the plan, the session or the extension shows. */
  readonly reason: string
}

/** What `checkHints()` found. */
export interface HintCheck {
  readonly hints: readonly CheckedHint[]
  /** The plan that was read; null where EXPLAIN does not take the statement. */
  readonly plan: Plan | null
  readonly comment: string | null
  readonly settings: Readonly<Record<string, string>>
  /** The text as it would be sent. */
  readonly sql: string
}

export interface CheckOptions {
  /** Runs the statement, in a transaction that is rolled back, to see how many workers are launched. Default false. */
  readonly analyze?: boolean | undefined
  /** Milliseconds; default 30,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** An open transaction to look from; it is left as it was. */
  readonly transaction?: OpenTransaction | null | undefined
}

/** Commands that EXPLAIN takes. */
const explained =
  /^(SELECT|VALUES|INSERT|UPDATE|DELETE|MERGE|EXECUTE|DECLARE CURSOR|CREATE TABLE AS|CREATE MATERIALIZED VIEW|SELECT INTO)$/

/**
 * Asks the server for the plan of a statement with its hints, and tests each hint on it. Nothing is changed: the transaction is read
 * only and rolled back. Throws the coded errors of bad hints; an index that does not exist is a hint that is ignored, since asking
 * whether a hint would work is what this call is for.
 *
 * @example
 * const { hints } = await checkHints(database, { text, values }, addHint(undefined, "merge_join", ["orders", "customers"]))
 * // hints[0]: { hint: "merge_join", mechanism: "pg_hint_plan", status: "honoured", reason: "orders, customers are joined by Merge Join", … }
 */
export async function checkHints(
  database: Database,
  statement: Statement,
  option: HintOption,
  options: CheckOptions = {},
): Promise<HintCheck> {
  await loadHints()
  const names = await statementNames(statement.text, option.paths)
  const hints = hintInputs(option).flatMap(readHint)
  const query: QueryOptions = { timeoutMs: options.timeoutMs ?? 30_000, signal: options.signal }
  const open = options.transaction ?? null
  const session = open?.session ?? (await database.acquire(query))
  let healthy = true
  try {
    return await look(session, open !== null, statement, names, hints, options, query)
  } catch (error) {
    if (open === null) healthy = await rollback(session)
    throw error
  } finally {
    if (open === null) session.release(!healthy)
  }
}

async function look(
  session: Session,
  inside: boolean,
  statement: Statement,
  names: StatementNames,
  hints: readonly Hint[],
  options: CheckOptions,
  query: QueryOptions,
): Promise<HintCheck> {
  // This session's own answer: another one of the pool may have the extension loaded, or not.
  const server = await probeServer(session)
  const facts = needsIndexes(hints) ? await readIndexFacts(session, names.relations) : []
  const lost: CheckedHint[] = []
  const resolved: ResolvedHint[] = []
  for (const hint of hints) {
    try {
      resolved.push(resolveHint(hint, names, facts))
    } catch (error) {
      if (!isSelectoError(error, "E_UNKNOWN_INDEX")) throw error
      const { name, value } = hint.input
      lost.push({ hint: name, value, mechanism: "none", scope: null, sent: [], status: "ignored", reason: error.message })
    }
  }
  const settled = settleHints(resolved)
  const hinted = applyHints(statement.text, settled, names, server)
  const seen = explained.test(names.command)
    ? await explain(session, inside, statement, names, hinted, server.pgHintPlan, options, query)
    : null
  const settings = seen?.settings ?? (await settingsOf(session, inside, hinted, query))
  const checked = hinted.applied.map((applied, index): CheckedHint => {
    const { status, reason } = judge(hinted.resolved[index]!, applied, seen, settings, names.command)
    return { ...applied, status, reason }
  })
  return {
    hints: [...checked, ...lost],
    plan: seen?.view.plan ?? null,
    comment: hinted.comment,
    settings: hinted.settings,
    sql: hinted.text,
  }
}

interface Seen {
  readonly view: PlanView
  readonly notice: HintNotice | null
  readonly settings: ReadonlyMap<string, string>
}

async function explain(
  session: Session,
  inside: boolean,
  statement: Statement,
  names: StatementNames,
  hinted: HintedStatement,
  talkative: boolean,
  options: CheckOptions,
  query: QueryOptions,
): Promise<Seen> {
  const aliases = [...new Set(names.relations.map(({ alias }) => alias))]
  // A comparison is needed where a hint changes an estimate by what it was.
  const relative = hinted.resolved.some((hint) => hint.kind === "rows" && hint.correction.how !== "#")
  const analyze = options.analyze === true
  const writes = names.command !== "SELECT" && names.command !== "VALUES"
  const asked = Object.keys(hinted.settings)
  const before: Statement[] = [
    ...(relative ? [explainStatement(bareText(statement.text), statement.values, false)] : []),
    ...Object.entries(hinted.settings).map(([name, value]) => settingStatement(name, value)),
    ...(talkative
      ? [
          settingStatement("client_min_messages", "notice"),
          settingStatement("pg_hint_plan.debug_print", "on"),
          settingStatement("pg_hint_plan.message_level", "notice"),
        ]
      : []),
  ]
  const after = asked.map((name): Statement => ({ text: "select current_setting($1) /* selecto:hints */", values: [name] }))
  const notices: string[] = []
  const results = await inDiscarded(
    session,
    inside,
    !(analyze && writes),
    [...before, explainStatement(hinted.text, statement.values, analyze), ...after],
    {
      ...query,
      onNotice: (message) => notices.push(message),
    },
  )
  const plan = planOf(results[before.length]!)
  const bare = relative ? viewOf(planOf(results[0]!), aliases) : null
  const settings = new Map(asked.map((name, index) => [name, results[before.length + 1 + index]!.rows[0]?.[0] ?? ""]))
  return { view: viewOf(plan, aliases, bare), notice: readNotices(notices), settings }
}

/** The statement without hints, those in a comment of its own left out too. */
function bareText(text: string): string {
  return commentsOf(text)
    .filter(({ hint }) => hint)
    .reduceRight((bare, { start, end }) => `${bare.slice(0, start)} ${bare.slice(end)}`, text)
}

/** EXPLAIN of a text whose hint comment must stay at position 0: before PostgreSQL 17 pg_hint_plan reads none that follows a parenthesis and an equals sign. */
function explainStatement(text: string, values: readonly unknown[], analyze: boolean): Statement {
  const comment = /^\/\*\+[\s\S]*?\*\//.exec(text)?.[0] ?? ""
  const flags = `FORMAT JSON, VERBOSE${analyze ? ", ANALYZE, TIMING OFF" : ""}`
  return {
    text: `${comment}${comment === "" ? "" : " "}EXPLAIN (${flags}) ${text.slice(comment.length).trim()}\n/* selecto:hints */`,
    values,
  }
}

function planOf(result: Result<TextRow>): Plan {
  return parsePlan(result.rows.map((row) => row[0] ?? "").join("\n"))
}

async function settingsOf(
  session: Session,
  inside: boolean,
  hinted: HintedStatement,
  query: QueryOptions,
): Promise<ReadonlyMap<string, string>> {
  const entries = Object.entries(hinted.settings)
  if (entries.length === 0) return new Map()
  const after = entries.map(([name]): Statement => ({ text: "select current_setting($1) /* selecto:hints */", values: [name] }))
  const results = await inDiscarded(
    session,
    inside,
    true,
    [...entries.map(([name, value]) => settingStatement(name, value)), ...after],
    query,
  )
  return new Map(entries.map(([name], index) => [name, results[entries.length + index]!.rows[0]?.[0] ?? ""]))
}

/** Runs statements in a transaction, or in a savepoint of an open one, and takes everything back. One round trip where the driver pipelines. */
async function inDiscarded(
  session: Session,
  inside: boolean,
  readOnly: boolean,
  statements: readonly Statement[],
  query: QueryOptions,
): Promise<Result<TextRow>[]> {
  const plain = (text: string): Statement => ({ text, values: [] })
  const timeouts = [settingStatement("lock_timeout", "5s")]
  if (!inside) {
    const results = await session.batch([beginStatement(null, readOnly), ...timeouts, ...statements, plain("ROLLBACK")], query)
    return results.slice(1 + timeouts.length, -1)
  }
  const name = "selecto_hints"
  try {
    const results = await session.batch([plain(`SAVEPOINT ${name}`), ...timeouts, ...statements], query)
    return results.slice(1 + timeouts.length)
  } finally {
    await session.batch([plain(`ROLLBACK TO SAVEPOINT ${name}`), plain(`RELEASE SAVEPOINT ${name}`)]).catch(() => {})
  }
}

function judge(
  hint: ResolvedHint,
  applied: AppliedHint,
  seen: Seen | null,
  settings: ReadonlyMap<string, string>,
  command: string,
): Pick<CheckedHint, "status" | "reason"> {
  if (hint.kind === "setting" && applied.mechanism !== "none")
    return settingVerdict(hint.setting, hint.text, settings.get(hint.setting) ?? "", command)
  if (applied.mechanism === "none") return { status: "ignored", reason: applied.reason ?? "nothing on this server enforces it" }
  if (seen === null) return { status: "unverifiable", reason: `EXPLAIN does not take ${command}` }
  if (seen.view.nodes.some(({ raw }) => /citus/i.test(String(raw["Custom Plan Provider"] ?? ""))))
    return { status: "unverifiable", reason: "the statement is planned on other servers, which hints do not reach" }
  const verdict = verdictOf(hint, seen.view)
  if (verdict.status === "honoured") return verdict
  const said = applied.sent.map((sent) => noticeReason(seen.notice, sent)).find((reason) => reason !== null)
  const parts = [verdict.reason, said, applied.reason].filter((part) => part !== undefined && part !== null)
  return { status: verdict.status, reason: parts.join("; ") }
}

/** What a setting is about where it is not the statement's planning. */
function settingVerdict(
  name: SettingName,
  asked: string,
  current: string,
  command: string,
): Pick<CheckedHint, "status" | "reason"> {
  if (!sameSetting(name, asked, current)) return { status: "ignored", reason: `${name} is ${current}, not ${asked}` }
  const upkeep = /maintenance/.test(name) && !/INDEX|VACUUM|CLUSTER|ALTER|REFRESH|REINDEX/.test(command)
  const kind = settingEntry(name)!.type === "size" && upkeep
  return {
    status: "honoured",
    reason: `${name} is ${current} in the statement's transaction${kind ? `; it is for building indexes, ${command} does not use it` : ""}`,
  }
}
