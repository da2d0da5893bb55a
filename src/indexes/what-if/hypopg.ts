import type { Database, Session, TextRow } from "../../database/database.ts"
import { SelectoError } from "../../errors.ts"
import { quoteIdentifier, quoteQualified } from "../../sql/identifier.ts"
import { missingCost, type TrueShape } from "./hypopg-cost.ts"
import { estimateIndex, type IndexEstimate, keyColumn } from "./hypopg-size.ts"
import { checkOneStatement } from "./one-statement.ts"
import type { PlanJson } from "./plan-json.ts"
import { namesOf } from "./plan-json.ts"
import type { CandidateIndex, WhatIfPlan, WhatIfPlanner } from "./planner.ts"

const tag = "/* selecto:indexes */"

export interface HypopgOptions {
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for each EXPLAIN. Default 10,000. */
  readonly timeoutMs?: number | undefined
}

/** True where the extension is created in this database. */
export async function hypopgInstalled(database: Database): Promise<boolean> {
  const { rows } = await database.queryText(
    { text: `select 1 from pg_extension where extname = 'hypopg' ${tag}`, values: [] },
    { timeoutMs: 10_000 },
  )
  return rows.length > 0
}

/**
 * HypoPG on the user's own server: hypothetical indexes of one pinned session, always reset. It prices btree, hash and BRIN indexes on
 * plain columns; it knows neither the descent of a btree nor deduplication, so both are corrected here. Errors: E_NOT_SUPPORTED where
 * the extension is missing.
 */
export async function openHypopg(database: Database, options: HypopgOptions = {}): Promise<WhatIfPlanner> {
  if (!(await hypopgInstalled(database))) {
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      'The extension hypopg is not created in this database: CREATE EXTENSION hypopg, or use whatIf: "shadow".',
    )
  }
  return new Hypopg(database, options)
}

class Hypopg implements WhatIfPlanner {
  readonly name = "hypopg" as const
  calls = 0
  readonly #database: Database
  readonly #options: HypopgOptions
  readonly #sizes = new Map<string, Promise<IndexEstimate | null>>()
  readonly #bases = new Map<string, Promise<{ plan: PlanJson }>>()
  #queue: Promise<unknown> = Promise.resolve()
  #version: number | undefined

  constructor(database: Database, options: HypopgOptions) {
    this.#database = database
    this.#options = options
  }

  canPrice({ method, keys }: CandidateIndex): boolean {
    return (method === "btree" || method === "hash" || method === "brin") && keys.every((key) => keyColumn(key) !== null)
  }

  async size(candidate: CandidateIndex): Promise<number | null> {
    return (await this.#estimate(candidate))?.bytes ?? null
  }

  async plan(
    statement: { text: string; values?: readonly unknown[] | undefined },
    candidates: readonly CandidateIndex[],
  ): Promise<WhatIfPlan> {
    this.calls++
    await checkOneStatement(statement.text)
    const refused = candidates.find((candidate) => !this.canPrice(candidate))
    if (refused !== undefined)
      throw new SelectoError(
        "E_NOT_SUPPORTED",
        `hypopg cannot price the candidate ${refused.id} (${refused.method}); the shadow planner can.`,
      )
    const estimates = new Map<string, IndexEstimate | null>()
    for (const candidate of candidates) estimates.set(candidate.id, await this.#estimate(candidate))
    const key = JSON.stringify([statement.text, statement.values ?? []], (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    )
    let base = this.#bases.get(key)
    if (base === undefined) {
      base = this.#inSession(async (session) => ({ plan: await this.#explain(session, statement) }))
      if (this.#bases.size >= 500) this.#bases.clear()
      this.#bases.set(key, base)
      base.catch(() => this.#bases.delete(key))
    }
    const without = (await base).plan
    const withoutCandidates: WhatIfPlan = {
      cost: without.Plan["Total Cost"],
      used: [],
      existingUsed: [...namesOf(without)],
      plan: [without],
    }
    if (candidates.length === 0) return withoutCandidates

    const { plan, names, settings } = await this.#inSession(async (session) => {
      const names = new Map<string, { readonly candidate: CandidateIndex; readonly assumedPages: number }>()
      for (const candidate of candidates) {
        const { rows } = await this.#text(
          session,
          `select indexname, (hypopg_relation_size(indexrelid) / 8192)::text from hypopg_create_index($1) ${tag}`,
          [createText(candidate)],
        )
        names.set(rows[0]?.[0] ?? "", { candidate, assumedPages: Number(rows[0]?.[1] ?? 0) })
      }
      const { rows } = await this.#text(
        session,
        `select current_setting('cpu_operator_cost'), current_setting('random_page_cost') ${tag}`,
        [],
      )
      const settings = { cpuOperatorCost: Number(rows[0]?.[0]), randomPageCost: Number(rows[0]?.[1]) }
      return { plan: await this.#explain(session, statement), names, settings }
    })
    const shapeOf = (index: string): TrueShape | null => {
      const found = names.get(index)
      const estimate = found === undefined ? null : (estimates.get(found.candidate.id) ?? null)
      if (found === undefined || estimate === null) return null
      return {
        height: found.candidate.method === "btree" ? estimate.height : null,
        pages: estimate.bytes / 8192,
        assumedPages: found.assumedPages,
        rows: found.candidate.method === "btree" ? estimate.rows : 0,
      }
    }
    const cost = plan.Plan["Total Cost"] + missingCost(plan.Plan, shapeOf, settings)
    const read = namesOf(plan)
    const used = [...names].filter(([name]) => read.has(name)).map(([, { candidate }]) => candidate.id)
    // What was missing may be all that it seemed to save.
    if (used.length > 0 && cost >= withoutCandidates.cost) return withoutCandidates
    return { cost, used, existingUsed: [...read].filter((name) => !names.has(name)), plan: [plan] }
  }

  async close(): Promise<void> {
    await this.#queue.catch(() => {})
  }

  #estimate(candidate: CandidateIndex): Promise<IndexEstimate | null> {
    const key = JSON.stringify({ ...candidate, id: null })
    let found = this.#sizes.get(key)
    if (found === undefined) {
      found = this.canPrice(candidate)
        ? this.#inSession((session) => estimateIndex((text, values) => this.#text(session, text, values), candidate))
        : Promise.resolve(null)
      this.#sizes.set(key, found)
      found.catch(() => this.#sizes.delete(key))
    }
    return found
  }

  /** One read-only transaction on a session of its own; hypothetical indexes live in the session, so they go in every ending. */
  #inSession<T>(run: (session: Session) => Promise<T>): Promise<T> {
    const result = this.#queue
      .catch(() => {})
      .then(async () => {
        const session = await this.#database.acquire({ signal: this.#options.signal })
        let clean = false
        try {
          await this.#text(session, `begin read only ${tag}`, [])
          await this.#text(session, `set local lock_timeout = '2s' ${tag}`, [])
          const value = await run(session)
          return value
        } finally {
          clean = await this.#text(session, `rollback ${tag}`, [])
            .then(() => this.#text(session, `select hypopg_reset() ${tag}`, []))
            .then(
              () => true,
              () => false,
            )
          // A session that may still hold hypothetical indexes never goes back to the pool.
          session.release(!clean)
        }
      })
    this.#queue = result
    return result
  }

  async #explain(session: Session, statement: { text: string; values?: readonly unknown[] | undefined }): Promise<PlanJson> {
    const text = statement.text.replace(/[\s;]+$/, "")
    const values = statement.values ?? []
    this.#version ??= Number((await this.#text(session, `show server_version_num ${tag}`, [])).rows[0]?.[0])
    const parse = (rows: readonly TextRow[]): PlanJson => (JSON.parse(rows[0]?.[0] ?? "[]") as PlanJson[])[0]!
    if (values.length > 0) return parse((await this.#text(session, `explain (format json) ${text}\n${tag}`, values)).rows)
    if (this.#version >= 160000)
      return parse((await this.#text(session, `explain (format json, generic_plan) ${text}\n${tag}`, [])).rows)
    const name = "selecto_what_if"
    await this.#text(session, `prepare ${name} as ${text}\n${tag}`, [])
    try {
      const { rows } = await this.#text(
        session,
        `select cardinality(parameter_types) from pg_prepared_statements where name = '${name}' ${tag}`,
        [],
      )
      const count = Number(rows[0]?.[0] ?? 0)
      await this.#text(session, `set local plan_cache_mode = force_generic_plan ${tag}`, [])
      const nulls = count === 0 ? "" : `(${Array.from({ length: count }, () => "null").join(", ")})`
      return parse((await this.#text(session, `explain (format json) execute ${name}${nulls} ${tag}`, [])).rows)
    } finally {
      await this.#text(session, `deallocate ${name} ${tag}`, []).catch(() => {})
    }
  }

  async #text(session: Session, text: string, values: readonly unknown[]): Promise<{ rows: TextRow[] }> {
    return session.queryText({ text, values }, { signal: this.#options.signal, timeoutMs: this.#options.timeoutMs ?? 10_000 })
  }
}

function createText({ schema, table, method, keys, include, where, unique }: CandidateIndex): string {
  const including =
    include.length === 0
      ? ""
      : ` include (${include.map((column) => (/^".*"$/.test(column) ? column : quoteIdentifier(column))).join(", ")})`
  return `create ${unique === true ? "unique " : ""}index on ${quoteQualified(schema, table)} using ${method} (${keys.join(", ")})${including}${where === null ? "" : ` where ${where}`}`
}
