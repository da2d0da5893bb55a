import type { Database } from "../database/database.ts"
import { isSelectoError, SelectoError } from "../errors.ts"
import { quoteQualified } from "../sql/index.ts"
import { bytesOf, type Duration, millisecondsOf, type Size } from "../units.ts"
import { buildableCandidates } from "./buildable.ts"
import { candidatesFor, joined } from "./candidates.ts"
import type { CatalogTable } from "./catalog.ts"
import { createStatements } from "./ddl.ts"
import type { Candidate } from "./draft.ts"
import { coveringIndex, type RedundantIndex, redundantIndexes, replacedBy } from "./existing.ts"
import { IndexSizes } from "./index-sizes.ts"
import { type PreparedWorkload, prepareWorkload } from "./prepare.ts"
import { type Priced, Pricer } from "./pricing.ts"
import { reasonFor } from "./reason.ts"
import type { IndexRecommendation, StatementAdvice } from "./recommendation.ts"
import { rewriteFor } from "./rewrite.ts"
import { ruleSelection } from "./rules.ts"
import { savingsOf } from "./savings.ts"
import { select } from "./select.ts"
import { openPlanner, type WhatIfChoice } from "./what-if/open.ts"
import type { WhatIfPlanner } from "./what-if/planner.ts"
import { type AdvisedStatement, tableKey, type WorkloadStatement } from "./workload.ts"

export interface AdviseOptions {
  /** Most bytes that all recommended indexes may take together. Default: no limit. */
  readonly budgetBytes?: Size | undefined
  readonly maxIndexes?: number | undefined
  /** Most key columns of a btree. Default 3. */
  readonly maxWidth?: number | undefined
  /** Least share of a statement's cost that an index must save. Default 0.1. */
  readonly minGain?: number | undefined
  /** After this the best found so far is the answer. Default "60s". */
  readonly timeLimit?: Duration | undefined
  readonly whatIf?: WhatIfChoice | undefined
  /** A planner of the caller's own, not closed here; `whatIf` is then not looked at. */
  readonly planner?: WhatIfPlanner | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { readonly phase: string; readonly done: number; readonly of: number }) => void) | undefined
}

export interface Advice {
  readonly recommendations: IndexRecommendation[]
  /** Cost of the whole workload by the planner, calls counted. */
  readonly cost: { readonly before: number; readonly after: number }
  readonly statements: StatementAdvice[]
  readonly planner: WhatIfPlanner["name"]
  readonly whatIfCalls: number
  readonly elapsedMs: number
  /** Existing indexes that may go. */
  readonly redundant: RedundantIndex[]
  /** True when the time limit ended the search. */
  readonly partial: boolean
  /** What stood in the way of better advice, such as tables never analysed. */
  readonly notes: string[]
}

/** Index advice for one statement. */
export async function adviseStatement(
  db: Database,
  statement: WorkloadStatement,
  options: AdviseOptions = {},
): Promise<IndexRecommendation[]> {
  return (await advise(db, [statement], options)).recommendations
}

/**
 * Index advice for a workload. Nothing is changed in the database: candidates are weighed by a what-if planner, and only temporary
 * tables in a transaction that is rolled back ask the server which indexes can be built. A statement that cannot be read or planned
 * is listed with the reason. Throws E_INVALID_OPTION, E_CONNECTION, E_ABORTED.
 */
export async function advise(db: Database, workload: readonly WorkloadStatement[], options: AdviseOptions = {}): Promise<Advice> {
  const start = performance.now()
  const settings = settingsOf(options)
  const { signal, onProgress } = options
  onProgress?.({ phase: "reading", done: 0, of: workload.length })
  const prepared = await prepareWorkload(db, workload, signal)
  const planner =
    options.planner ?? (await openPlanner(db, { whatIf: options.whatIf, relations: plannedRelations(prepared), signal }))
  try {
    return await weigh(db, workload, prepared, planner, settings, start)
  } finally {
    if (options.planner === undefined) await planner.close()
  }
}

interface Settings extends AdviseOptions {
  readonly budget: number | null
  readonly width: number
  readonly least: number
  readonly deadline: number
}

function settingsOf(options: AdviseOptions): Settings {
  const whole = (value: number | undefined, path: string, least: number): void => {
    if (value !== undefined && (!Number.isInteger(value) || value < least)) {
      throw new SelectoError("E_INVALID_OPTION", `${path} must be a whole number of at least ${least}.`, { path })
    }
  }
  whole(options.maxIndexes, "maxIndexes", 0)
  whole(options.maxWidth, "maxWidth", 1)
  const least = options.minGain ?? 0.1
  if (!(least > 0 && least < 1))
    throw new SelectoError("E_INVALID_OPTION", "minGain must lie between 0 and 1.", { path: "minGain" })
  return {
    ...options,
    budget: options.budgetBytes === undefined ? null : bytesOf(options.budgetBytes, "budgetBytes"),
    width: options.maxWidth ?? 3,
    least,
    deadline: performance.now() + millisecondsOf(options.timeLimit ?? "60s", "timeLimit"),
  }
}

function plannedRelations({ catalog }: PreparedWorkload): { schema: string; name: string }[] {
  return catalog.tables.map(({ schema, name }) => ({ schema, name }))
}

async function weigh(
  db: Database,
  workload: readonly WorkloadStatement[],
  prepared: PreparedWorkload,
  planner: WhatIfPlanner,
  settings: Settings,
  start: number,
): Promise<Advice> {
  const { catalog } = prepared
  const { signal } = settings
  const callsBefore = planner.calls
  const own = new Map<number, Candidate[]>()
  const all = new Map<string, Candidate>()
  for (const statement of prepared.statements) {
    const list = statement.accesses.flatMap((access) => candidatesFor(access, catalog, { maxWidth: settings.width }))
    const needed = list.filter(
      (candidate) =>
        coveringIndex(candidate.draft.table, candidate) === null && servesCheck(statement, candidate, settings.width),
    )
    own.set(statement.number, needed)
    for (const candidate of needed) {
      const known = all.get(candidate.id)
      all.set(candidate.id, known === undefined ? candidate : { ...known, draft: joined(known.draft, candidate.draft) })
    }
  }
  const { candidates, refused } = await buildableCandidates(db, [...all.values()], signal)
  const usable = new Map(candidates.map((candidate) => [candidate.id, candidate]))
  const priced = planner.name !== "none"
  const pricer = new Pricer(planner, { signal, deadline: settings.deadline })
  const errors = new Map<number, string>()
  const plannable: AdvisedStatement[] = []
  for (const statement of prepared.statements) {
    if (!priced) plannable.push(statement)
    else {
      try {
        await pricer.price(statement, [])
        plannable.push(statement)
      } catch (error) {
        if (signal?.aborted || !isSelectoError(error) || error.code === "E_CONNECTION") throw error
        errors.set(statement.number, error.message)
      }
    }
  }
  const mine = new Map<number, Candidate[]>()
  for (const statement of plannable) {
    const list = new Map<string, Candidate>()
    for (const { id } of own.get(statement.number) ?? []) {
      const candidate = usable.get(id)
      if (candidate !== undefined && (!priced || planner.canPrice(candidate))) list.set(id, candidate)
    }
    mine.set(statement.number, [...list.values()])
  }
  const sizes = new IndexSizes(db, planner, signal)
  let chosen: readonly Candidate[]
  let partial = false
  let tooDear: ReadonlySet<number> = new Set()
  let helped: ReadonlySet<number> = new Set()
  if (priced) {
    const selection = await select(plannable, mine, pricer, {
      budgetBytes: settings.budget,
      maxIndexes: settings.maxIndexes ?? null,
      minGain: settings.least,
      maxWidth: settings.width,
      sizes,
      onProgress: (done, of) => settings.onProgress?.({ phase: "pricing", done, of }),
    })
    chosen = selection.chosen
    partial = selection.partial
    tooDear = selection.tooDear
    helped = selection.helped
  } else {
    chosen = await ruleSelection(plannable, mine, sizes, {
      budgetBytes: settings.budget,
      maxIndexes: settings.maxIndexes ?? null,
    })
  }
  return report()

  async function report(): Promise<Advice> {
    const taken = await takenNames(db, prepared, signal)
    const before = new Map<number, Priced>()
    const after = new Map<number, Priced>()
    if (priced) {
      for (const statement of plannable) {
        before.set(statement.number, await pricer.price(statement, []))
        after.set(statement.number, await pricer.price(statement, chosen))
      }
    }
    const sum = (prices: ReadonlyMap<number, Priced>): number =>
      plannable.reduce((total, statement) => total + statement.calls * (prices.get(statement.number)?.cost ?? 0), 0)
    const cost = { before: sum(before), after: sum(after) }
    const recommendations: (IndexRecommendation & { readonly saving: number })[] = []
    const names = new Map<string, string>()
    const bytes = await sizes.of(chosen)
    const savings = priced ? await savingsOf(plannable, chosen, pricer) : new Map<string, number>()
    for (const candidate of chosen) {
      const { name, statements, undo } = createStatements(candidate, taken)
      names.set(candidate.id, name)
      const served = plannable.filter((statement) =>
        priced
          ? after.get(statement.number)!.used.has(candidate.id)
          : mine.get(statement.number)?.some(({ id }) => id === candidate.id),
      )
      let costBefore = 0
      let costAfter = 0
      const saving = savings.get(candidate.id) ?? 0
      if (priced) {
        for (const statement of served) {
          costBefore += statement.calls * before.get(statement.number)!.cost
          costAfter += statement.calls * after.get(statement.number)!.cost
        }
      }
      const share = cost.before > 0 ? saving / cost.before : 0
      const checks = served.filter((statement) => statement.causedBy !== null)
      const patterns = [...candidate.draft.patterns]
      if (checks.length > 0 && checks.length === served.length) patterns.splice(0, patterns.length, "foreign_key")
      else if (checks.length > 0) patterns.push("foreign_key")
      recommendations.push({
        type: `${candidate.method}_index`,
        schema: candidate.schema,
        table: candidate.table,
        columns: [...candidate.keys],
        include: [...candidate.include],
        where: candidate.where,
        priority: !priced ? "medium" : share >= 0.25 ? "high" : share >= 0.05 ? "medium" : "low",
        confidence: priced ? "verified" : "rules",
        patterns,
        reason: reasonFor(
          candidate,
          checks.length > 0,
          checks.length === served.length,
          priced ? { costBefore, costAfter } : null,
        ),
        name,
        sql: statements.join(";\n"),
        statements,
        undo,
        sizeBytes: bytes.get(candidate.id) ?? null,
        evidence: priced ? { planner: planner.name, costBefore, costAfter, used: served.length > 0 } : null,
        queries: [...new Set(served.map((statement) => textOf(statement, prepared)))],
        replaces: replacedBy(candidate.draft.table, candidate).map((index) => index.name),
        saving,
      })
    }
    recommendations.sort((a, b) => b.saving - a.saving)
    const statements = workload.map((given, number): StatementAdvice => {
      const calls = given.calls ?? 1
      const refusedHere = prepared.refused.find((one) => one.number === number)
      const group = prepared.statements.filter((statement) => statement.number === number || statement.causedBy === number)
      const statement = group[0]
      const error = refusedHere?.reason ?? errors.get(number) ?? null
      const base = { text: given.text, calls }
      if (error !== null || statement === undefined) {
        return {
          ...base,
          costBefore: null,
          costAfter: null,
          indexes: [],
          verdict: "unsupported",
          explanation: error ?? "It could not be read.",
          error: error ?? "It could not be read.",
        }
      }
      const costOf = (prices: ReadonlyMap<number, Priced>): number | null =>
        priced ? group.reduce((total, one) => total + (prices.get(one.number)?.cost ?? 0), 0) : null
      const used = priced
        ? [...new Set(group.flatMap((one) => [...(after.get(one.number)?.used ?? [])]))].flatMap((id) => names.get(id) ?? [])
        : recommendations.filter((one) => one.queries.includes(given.text)).map((one) => one.name)
      const costs = { costBefore: costOf(before), costAfter: costOf(after) }
      const refusedOwn = (own.get(number) ?? []).filter((candidate) => refused.has(candidate.id))
      return { ...base, ...costs, indexes: used, ...verdictOf(statement, used, refusedOwn, before.get(number)), error: null }
    })
    return {
      recommendations: recommendations.map(({ saving: _saving, ...one }) => one),
      cost,
      statements,
      planner: planner.name,
      whatIfCalls: planner.calls - callsBefore,
      elapsedMs: performance.now() - start,
      redundant: redundantOf(prepared),
      partial,
      notes: [...(workload.length === 0 ? [emptyWorkload] : []), ...notesOf(prepared)],
    }
  }

  function verdictOf(
    statement: AdvisedStatement,
    used: readonly string[],
    refusedOwn: readonly Candidate[],
    base: Priced | undefined,
  ): Pick<StatementAdvice, "verdict" | "explanation"> {
    if (used.length > 0) return { verdict: "served", explanation: `Its plan uses ${used.join(", ")}.` }
    if (tooDear.has(statement.number)) {
      return {
        verdict: "write_cost",
        explanation: "An index would make it faster, but keeping it up to date would cost the writes of this workload more.",
      }
    }
    if (helped.has(statement.number) && (settings.budget !== null || settings.maxIndexes !== undefined)) {
      return { verdict: "over_budget", explanation: "An index would help it, but none that does fits beside what helps more." }
    }
    const rewrite = rewriteFor(statement, refusedOwn, refused)
    if (rewrite !== null) return { verdict: "rewrite_needed", explanation: rewrite }
    const exists = statement.accesses.some((access) =>
      candidatesFor(access, catalog, { maxWidth: settings.width }).some(
        (candidate) => coveringIndex(access.table, candidate) !== null,
      ),
    )
    if ((base?.existingUsed.length ?? 0) > 0 || exists) {
      return { verdict: "already_optimal", explanation: "Existing indexes serve it as well as any new one would." }
    }
    if (statement.accesses.length === 0) return { verdict: "already_optimal", explanation: "It searches no table." }
    if (statement.accesses.every((access) => access.table.pages <= 8)) {
      return { verdict: "already_optimal", explanation: "Its tables are so small that reading them whole is fastest." }
    }
    return {
      verdict: "not_selective",
      explanation: "It reads so large a part of its tables that no index makes it noticeably cheaper.",
    }
  }
}

/** A foreign key's look-up gets an index on all of its columns, even where fewer would find few rows today. */
function servesCheck(statement: AdvisedStatement, candidate: Candidate, width: number): boolean {
  if (statement.causedBy === null) return true
  const columns = new Set(statement.accesses.flatMap(({ restrictions }) => restrictions.map(({ text }) => text)))
  return candidate.keys.length >= Math.min(columns.size, width)
}

function textOf(statement: AdvisedStatement, prepared: PreparedWorkload): string {
  if (statement.causedBy === null) return statement.text
  return prepared.statements.find((one) => one.number === statement.causedBy)?.text ?? statement.text
}

function redundantOf({ catalog, statements }: PreparedWorkload): RedundantIndex[] {
  const touched = new Set(statements.flatMap((statement) => [...statement.tables]))
  return catalog.tables
    .filter((table) => touched.has(tableKey(table)) && table.partitionOf === null)
    .flatMap((table) =>
      redundantIndexes(
        table,
        (index) => `DROP INDEX ${table.kind === "partitioned" ? "" : "CONCURRENTLY "}${quoteQualified(index.schema, index.name)}`,
      ),
    )
}

const emptyWorkload = "The workload is empty: pg_stat_statements may just have been reset; give statements, a file or a log."

function notesOf({ catalog, statements }: PreparedWorkload): string[] {
  const touched = new Set(statements.flatMap((statement) => [...statement.tables]))
  const unanalysed = catalog.tables.filter((table) => touched.has(tableKey(table)) && neverAnalysed(table))
  return unanalysed.map((table) => {
    const name = quoteQualified(table.schema, table.name)
    return `${name} was never analysed, so its costs are guesses: run ANALYZE ${name} and ask again.`
  })
}

function neverAnalysed(table: CatalogTable): boolean {
  return table.rows < 0 || (table.pages > 0 && table.columns.every((column) => column.stats === null))
}

/** Names that an index of these schemas cannot have. */
async function takenNames(db: Database, { catalog }: PreparedWorkload, signal: AbortSignal | undefined): Promise<Set<string>> {
  const schemas = [...new Set(catalog.tables.map((table) => table.schema))]
  const { rows } = await db.query<{ name: string }>(
    {
      text: "SELECT c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY($1::text[]) AND c.relname ~ '_idx[0-9]*$' /* selecto:indexes */",
      values: [schemas],
    },
    { timeoutMs: 30_000, signal },
  )
  return new Set(rows.map((row) => row.name))
}
