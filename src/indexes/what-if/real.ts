import type { Database, Session } from "../../database/database.ts"
import { SelectoError } from "../../errors.ts"
import { loadShapes, quoteQualified, statementShapeSync } from "../../sql/index.ts"
import { explainJson, nodesOf, rootOf } from "./explain.ts"
import type { CandidateIndex, WhatIfPlan, WhatIfPlanner } from "./planner.ts"

export interface RealPlannerOptions {
  /** Milliseconds for building one index. Default 120,000. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

interface BuiltIndex {
  readonly name: string
  readonly schema: string
  readonly bytes: number
  visible: boolean
}

/**
 * A planner that asks nothing of anybody's imagination: it builds the candidates, in one transaction that is rolled back when it is
 * closed. Until then writers of the tables wait: for scratch databases and schemas of one's own only. Never the default.
 */
export async function realPlanner(db: Database, options: RealPlannerOptions = {}): Promise<WhatIfPlanner> {
  if (db.capabilities.sessions === "one") {
    throw new SelectoError(
      "E_NOT_SUPPORTED",
      "Building candidates for real holds a session to itself, and this database has but one: use the shadow.",
    )
  }
  await loadShapes()
  const session = await db.acquire({ signal: options.signal })
  const timeoutMs = options.timeoutMs ?? 120_000
  try {
    const run = (text: string): Promise<unknown> =>
      session.query({ text: `${text} /* selecto:indexes */`, values: [] }, { timeoutMs, signal: options.signal })
    await run("BEGIN")
    await run("SET LOCAL lock_timeout = '5s'")
    const { rows } = await session.query<{ version: string | number; super: boolean }>({
      text: "SELECT current_setting('server_version_num')::int AS version, rolsuper AS super FROM pg_catalog.pg_roles WHERE rolname = current_user /* selecto:indexes */",
      values: [],
    })
    return new RealPlanner(session, Number(rows[0]?.version ?? 0), rows[0]?.super === true, timeoutMs, options.signal)
  } catch (error) {
    session.release(true)
    throw error
  }
}

class RealPlanner implements WhatIfPlanner {
  readonly name = "server"
  calls = 0
  private readonly session: Session
  private readonly serverVersion: number
  /** A superuser hides an index by its catalog row; others build anew for each set. */
  private readonly hides: boolean
  private readonly timeoutMs: number
  private readonly signal: AbortSignal | undefined
  private readonly built = new Map<string, BuiltIndex>()
  private readonly refused = new Set<string>()
  private number = 0

  constructor(session: Session, serverVersion: number, hides: boolean, timeoutMs: number, signal: AbortSignal | undefined) {
    this.session = session
    this.serverVersion = serverVersion
    this.hides = hides
    this.timeoutMs = timeoutMs
    this.signal = signal
  }

  canPrice(candidate: CandidateIndex): boolean {
    return !this.refused.has(candidate.id)
  }

  async size(candidate: CandidateIndex): Promise<number | null> {
    return (await this.build(candidate))?.bytes ?? null
  }

  async plan(
    statement: { text: string; values?: readonly unknown[] | undefined },
    candidates: readonly CandidateIndex[],
  ): Promise<WhatIfPlan> {
    for (const candidate of candidates) await this.build(candidate)
    await this.show(new Set(candidates.map((candidate) => candidate.id)))
    const { parameters } = statementShapeSync(statement.text)
    const facts = {
      parameters: Math.max(0, ...parameters.map((parameter) => parameter.number)),
      serverVersion: this.serverVersion,
    }
    this.calls++
    const plan = await this.guarded(() => explainJson(this.session, statement, facts, this.timeoutMs))
    const root = rootOf(plan)
    const names = new Set(nodesOf(root).flatMap((node) => node["Index Name"] ?? []))
    const used = [...this.built].filter(([, index]) => names.has(index.name)).map(([id]) => id)
    const own = new Set([...this.built.values()].map((index) => index.name))
    return { cost: root?.["Total Cost"] ?? 0, used, existingUsed: [...names].filter((name) => !own.has(name)), plan }
  }

  async close(): Promise<void> {
    const ended = await this.run("ROLLBACK").then(
      () => true,
      () => false,
    )
    this.session.release(!ended)
  }

  private async build(candidate: CandidateIndex): Promise<BuiltIndex | null> {
    const known = this.built.get(candidate.id)
    if (known !== undefined) return known
    if (this.refused.has(candidate.id)) return null
    const name = `selecto_whatif_${++this.number}`
    const method = candidate.method === "btree" ? "" : ` USING ${candidate.method}`
    const include =
      candidate.include.length === 0 ? "" : ` INCLUDE (${candidate.include.map((column) => quoteQualified(column)).join(", ")})`
    const where = candidate.where === null ? "" : ` WHERE ${candidate.where}`
    const table = quoteQualified(candidate.schema, candidate.table)
    try {
      await this.guarded(async () => {
        await this.run(
          `CREATE ${candidate.unique ? "UNIQUE " : ""}INDEX ${name} ON ${table}${method} (${candidate.keys.join(", ")})${include}${where}`,
        )
        // Expressions and predicates have statistics of their own only once analysed.
        if (candidate.where !== null || candidate.keys.some((key) => key.includes("("))) await this.run(`ANALYZE ${table}`)
      })
    } catch (error) {
      if (this.signal?.aborted) throw error
      // Not immutable, no such operator class, a value too long for a page: this index cannot be.
      this.refused.add(candidate.id)
      return null
    }
    const { rows } = await this.session.query<{ bytes: string }>({
      text: "SELECT pg_catalog.pg_relation_size(pg_catalog.to_regclass($1))::text AS bytes /* selecto:indexes */",
      values: [quoteQualified(candidate.schema, name)],
    })
    const index: BuiltIndex = { name, schema: candidate.schema, bytes: Number(rows[0]?.bytes ?? 0), visible: true }
    this.built.set(candidate.id, index)
    return index
  }

  private async show(wanted: ReadonlySet<string>): Promise<void> {
    for (const [id, index] of [...this.built]) {
      const visible = wanted.has(id)
      if (index.visible === visible) continue
      if (this.hides) {
        await this.session.query({
          text: "UPDATE pg_catalog.pg_index SET indisvalid = $2::boolean WHERE indexrelid = pg_catalog.to_regclass($1) /* selecto:indexes */",
          values: [quoteQualified(index.schema, index.name), visible],
        })
        index.visible = visible
      } else {
        await this.run(`DROP INDEX ${quoteQualified(index.schema, index.name)}`)
        this.built.delete(id)
      }
    }
  }

  /** A failure inside must not end the transaction that holds the other indexes. */
  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    await this.run("SAVEPOINT selecto_whatif")
    try {
      const result = await work()
      await this.run("RELEASE SAVEPOINT selecto_whatif")
      return result
    } catch (error) {
      await this.run("ROLLBACK TO SAVEPOINT selecto_whatif")
      throw error
    }
  }

  private run(text: string): Promise<unknown> {
    return this.session.query(
      { text: `${text} /* selecto:indexes */`, values: [] },
      { timeoutMs: this.timeoutMs, signal: this.signal },
    )
  }
}
