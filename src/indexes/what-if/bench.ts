import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/identifier.ts"
import { type ColumnSample, type CopiedRelation, type Copy, keyOf } from "./copy.ts"
import { mergesCharacter } from "./deduplication.ts"
import { type IndexShape, indexShapes, type ShapeColumn } from "./index-shape.ts"
import { columnsOf, keySample, mentions } from "./key-sample.ts"
import { explainText, isLeadingUnconstrained, namesOf, type PlanJson } from "./plan-json.ts"
import type { CandidateIndex, WhatIfPlan } from "./planner.ts"
import { indexBytes } from "./size.ts"

/** A candidate that exists in the copy: one index, or one on each partition. */
interface Built {
  readonly names: ReadonlySet<string>
  readonly oids: readonly string[]
  readonly bytes: number
  active: boolean
}

/** Candidates kept; the ones longest unused are dropped beyond it. Unused ones are marked invalid, which the planner skips. */
const keptCandidates = 600

/** Candidate indexes on the copy, and the plans that result. */
export class Bench {
  readonly #copy: Copy
  readonly #built = new Map<string, Built>()
  readonly #samples = new Map<string, { readonly of: unknown; readonly sample: ColumnSample }>()
  /** Leading columns of multi-column btrees by index name, which several schemas may share; none for other indexes. */
  readonly #leading = new Map<string, { readonly column: string; readonly name: string }[]>()
  #counter = 0

  constructor(copy: Copy) {
    this.#copy = copy
  }

  /** Forgets and drops every candidate. */
  async clear(): Promise<void> {
    for (const key of [...this.#built.keys()]) await this.#drop(key)
    this.#leading.clear()
  }

  async size(candidate: CandidateIndex): Promise<number> {
    const built = await this.#have(candidate)
    await this.#activate(new Set())
    return built.bytes
  }

  /** EXPLAIN with exactly these candidates. */
  async plan(
    statement: { readonly text: string; readonly values?: readonly unknown[] | undefined },
    candidates: readonly CandidateIndex[],
  ): Promise<WhatIfPlan> {
    const chosen = new Map<string, Built>()
    for (const candidate of candidates)
      chosen.set(candidate.id, await this.#have(candidate, new Set(candidates.map(candidateKey))))
    await this.#activate(new Set([...chosen.values()].flatMap(({ oids }) => oids)))
    const plan = await this.#explain(statement)
    const names = namesOf(plan)
    const ofCandidates = new Set([...chosen.values()].flatMap((built) => [...built.names]))
    return {
      cost: plan.Plan["Total Cost"],
      used: [...chosen].filter(([, built]) => [...built.names].some((name) => names.has(name))).map(([id]) => id),
      existingUsed: [...names].filter((name) => !ofCandidates.has(name)),
      plan: [plan],
    }
  }

  async #explain(statement: { readonly text: string; readonly values?: readonly unknown[] | undefined }): Promise<PlanJson> {
    const plan = await this.#explainOnce(statement)
    if (this.#copy.serverVersion >= 180000) return plan
    // Before 18 no scan skips over an unconstrained leading column. A number of distinct values that is only a guess makes
    // the planner leave skipping aside (btcostestimate), so those columns get one while the statement is planned again.
    const blunted = new Set<string>()
    let result = plan
    for (let round = 0; round < 4; round++) {
      const skipping = await this.#skippedColumns(result)
      const fresh = skipping.filter((column) => !blunted.has(column))
      if (fresh.length === 0) return result
      for (const column of fresh) blunted.add(column)
      const keys = [...blunted].map((column) => `(${column})`).join(", ")
      await this.#copy.engine.execute(`begin; update pg_statistic set stadistinct = 0 where (starelid, staattnum) in (${keys})`)
      try {
        result = await this.#explainOnce(statement)
      } finally {
        await this.#copy.engine.execute("rollback")
      }
    }
    return result
  }

  async #skippedColumns(plan: PlanJson): Promise<string[]> {
    const suspects = isLeadingUnconstrained(plan)
    const unknown = suspects.filter(({ index }) => !this.#leading.has(index))
    if (unknown.length > 0) {
      for (const { index } of unknown) this.#leading.set(index, [])
      const rows =
        await this.#copy.engine.rows(`select c.relname as name, i.indrelid::text as relation, i.indkey[0]::text as number,
          pg_get_indexdef(i.indexrelid, 1, false) as leading
        from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am m on m.oid = c.relam
        where c.relname in (${unknown.map(({ index }) => quoteLiteral(index)).join(", ")}) and m.amname = 'btree' and i.indkey[0] > 0 and i.indnkeyatts > 1`)
      for (const { name, relation, number, leading } of rows)
        this.#leading.get(name ?? "")?.push({ column: `${relation}, ${number}`, name: leading ?? "" })
    }
    return suspects.flatMap(({ index, condition }) =>
      (this.#leading.get(index) ?? []).filter(({ name }) => !mentions(condition, name)).map(({ column }) => column),
    )
  }

  async #explainOnce(statement: { readonly text: string; readonly values?: readonly unknown[] | undefined }): Promise<PlanJson> {
    const [prepare, explain, cleanup] = explainText(statement)
    if (prepare !== null) await this.#copy.engine.execute(prepare)
    try {
      const [row] = await this.#copy.engine.rows(explain)
      return (JSON.parse(row?.["QUERY PLAN"] ?? "[]") as PlanJson[])[0]!
    } finally {
      if (cleanup !== null) await this.#copy.engine.execute(cleanup)
    }
  }

  async #activate(oids: ReadonlySet<string>): Promise<void> {
    const changed: { oid: string; active: boolean }[] = []
    for (const built of this.#built.values()) {
      const active = built.oids.some((oid) => oids.has(oid))
      if (active !== built.active) changed.push(...built.oids.map((oid) => ({ oid, active })))
      built.active = active
    }
    if (changed.length === 0) return
    const shown = changed.filter(({ active }) => active).map(({ oid }) => oid)
    const valid = shown.length === 0 ? "false" : `indexrelid in (${shown.join(", ")})`
    const all = changed.map(({ oid }) => oid).join(", ")
    await this.#copy.engine.execute(`update pg_index set indisvalid = ${valid} where indexrelid in (${all})`)
  }

  async #have(candidate: CandidateIndex, needed: ReadonlySet<string> = new Set()): Promise<Built> {
    const key = candidateKey(candidate)
    const known = this.#built.get(key)
    if (known !== undefined) {
      this.#built.delete(key)
      this.#built.set(key, known)
      return known
    }
    for (const old of this.#built.keys()) {
      if (this.#built.size < keptCandidates) break
      if (!needed.has(old)) await this.#drop(old)
    }
    const built = await this.#create(candidate)
    this.#built.set(key, built)
    return built
  }

  async #drop(key: string): Promise<void> {
    const built = this.#built.get(key)
    this.#built.delete(key)
    // Dropping a table dropped its candidates.
    const [found] = await this.#copy.engine.rows(`select string_agg(oid::regclass::text, ', ') as names from pg_class
      where oid in (${built!.oids.join(", ")}) and not relispartition`)
    if (found?.names != null) await this.#copy.engine.execute(`drop index ${found.names}`)
  }

  async #create(candidate: CandidateIndex): Promise<Built> {
    const { engine } = this.#copy
    const leaves = this.#leavesOf(candidate)
    const longest = Math.max(0, ...leaves.map(({ relation }) => relation.bytes))
    const input = await Promise.all(leaves.map((leaf) => this.#rowsOf(leaf, candidate.where)))
    await engine.setSizes(leaves.map(({ path }) => ({ path, bytes: 0 })))
    // Open segments are forgotten only when the relation's cache entry is.
    if (longest >= 1024 ** 3)
      await engine.execute(`update pg_class set relname = relname where oid in (${leaves.map(({ oid }) => oid).join(", ")})`)
    const name = `selecto_${++this.#counter}`
    let shapes: IndexShape[]
    let all: { oid: string; name: string }[]
    try {
      await engine.execute(createText(candidate, name))
      all = (await engine.rows(`with recursive made(oid) as (
          select ${quoteLiteral(quoteQualified(candidate.schema, name))}::regclass::oid union all select inhrelid from pg_inherits join made on inhparent = made.oid)
        select made.oid::text as oid, c.relname as name from made join pg_class c on c.oid = made.oid`)) as {
        oid: string
        name: string
      }[]
      shapes = await indexShapes(engine, `c.oid in (${all.map(({ oid }) => oid).join(", ")})`)
    } finally {
      await engine.setSizes(leaves.map(({ path, relation }) => ({ path, bytes: relation.bytes })))
    }
    // Out of the planner's sight until its file has its height: the first look at it is remembered.
    await engine.execute(`update pg_index set indisvalid = false where indexrelid in (${all.map(({ oid }) => oid).join(", ")})`)
    let bytes = 0
    const sizes: { shape: IndexShape; pages: number; rows: number }[] = []
    for (const shape of shapes) {
      const at = leaves.findIndex(({ oid }) => oid === shape.tableOid)
      const rows = input[at] ?? 0
      const size = await this.#sizeOf(shape, leaves[at]!, rows, candidate)
      sizes.push({ shape, pages: size / 8192, rows })
      bytes += size
    }
    await engine.writeFiles(
      sizes
        .filter(({ shape }) => shape.method === "btree")
        .map(({ shape, pages, rows }) => ({ path: shape.path, content: this.#copy.btree(shape, pages, rows) })),
    )
    const values = sizes.map(({ shape, pages, rows }) => `(${shape.oid}::oid, ${Math.round(pages)}, ${rows}::float4)`).join(", ")
    if (values !== "")
      await engine.execute(
        `update pg_class c set relpages = v.pages, reltuples = v.tuples from (values ${values}) as v(oid, pages, tuples) where c.oid = v.oid`,
      )
    await engine.setSizes(sizes.map(({ shape, pages }) => ({ path: shape.path, bytes: pages * 8192 })))
    return { names: new Set(all.map((one) => one.name)), oids: all.map(({ oid }) => oid), bytes, active: false }
  }

  /** The tables that would hold the rows: itself, or the leaves below a partitioned table. */
  #leavesOf({ schema, table }: CandidateIndex): CopiedRelation[] {
    const start = this.#copy.relations.get(keyOf({ schema, name: table }))
    if (start === undefined)
      throw Object.assign(new Error(`relation ${quoteQualified(schema, table)} is not in the copy`), { code: "42P01" })
    if (start.relation.kind !== "p") return [start]
    const children = new Map<string, CopiedRelation[]>()
    for (const one of this.#copy.relations.values()) {
      for (const parent of one.relation.parents) children.set(parent, [...(children.get(parent) ?? []), one])
    }
    const below = (one: CopiedRelation): CopiedRelation[] =>
      one.relation.kind === "p" ? (children.get(one.relation.id) ?? []).flatMap(below) : [one]
    return below(start)
  }

  /** Rows as the planner estimates them, for a partial index those of its predicate. */
  async #rowsOf(leaf: CopiedRelation, where: string | null): Promise<number> {
    const plan = await this.#explainOnce({
      text: `select from only ${quoteQualified(leaf.relation.schema, leaf.relation.name)}${where === null ? "" : ` where ${where}`}`,
    })
    const scan = (node: PlanJson["Plan"]): number =>
      node.Plans?.[0] !== undefined && node["Node Type"].startsWith("Gather")
        ? (node["Plan Rows"] ?? 0)
        : (node["Plan Rows"] ?? 0)
    return scan(plan.Plan)
  }

  async #sizeOf(shape: IndexShape, leaf: CopiedRelation, rows: number, candidate: CandidateIndex): Promise<number> {
    const samples = new Map<number, ColumnSample>()
    for (const [at, column] of shape.columns.entries()) {
      if (column.column === null || column.length < 0) samples.set(at, await this.#sampleOf(shape, leaf, column))
    }
    const character = shape.columns.some(({ type }) => type === "character")
    const deduplicates =
      shape.deduplicates && shape.method === "btree" && (!character || mergesCharacter(this.#copy.serverVersion))
    const combined = deduplicates && rows > 1 && (shape.keyCount > 1 || candidate.distinctShare !== undefined)
    return indexBytes({
      method: shape.method,
      rows,
      heapPages: leaf.relation.bytes / 8192,
      columns: this.#copy.sized(shape, rows, samples),
      keyCount: shape.keyCount,
      deduplicates,
      distinct: combined ? await this.#combinations(shape, leaf, rows, candidate) : null,
      pagesPerRange: shape.pagesPerRange,
      fillFactor: shape.fillFactor,
    })
  }

  /** Distinct combinations of the keys, where somebody counted them; null: the columns are taken to be independent. */
  async #combinations(shape: IndexShape, leaf: CopiedRelation, rows: number, candidate: CandidateIndex): Promise<number | null> {
    const { distinctShare, where } = candidate
    if (distinctShare !== undefined) return Math.max(1, distinctShare * rows)
    if (!this.#copy.counted.has(leaf.relation.id)) return null
    const keys = shape.columns.slice(0, shape.keyCount).map(({ definition }) => definition)
    const plan = await this.#explainOnce({
      text: `select from only ${quoteQualified(leaf.relation.schema, leaf.relation.name)}${where === null ? "" : ` where ${where}`} group by ${keys.join(", ")}`,
    })
    return Math.max(1, plan.Plan["Plan Rows"] ?? rows)
  }

  /** What a key's values look like; the planner's guess of its width where no sample of them can be had. */
  async #sampleOf(shape: IndexShape, leaf: CopiedRelation, key: ShapeColumn): Promise<ColumnSample> {
    const { relation } = leaf
    const names = columnsOf(key, relation)
    const found = names.length === 1 ? this.#copy.statistics.of(shape.tableSchema, shape.table, names[0]!) : undefined
    const cacheKey = JSON.stringify([shape.tableSchema, shape.table, key.definition])
    const known = this.#samples.get(cacheKey)
    if (known !== undefined && known.of === found) return known.sample
    const sample = (found === undefined ? null : await keySample(this.#copy.engine, found, relation, names[0]!, key)) ?? {
      widths: await this.#guessed(leaf, key),
      distinct: null,
    }
    this.#samples.set(cacheKey, { of: found, sample })
    return sample
  }

  async #guessed(leaf: CopiedRelation, key: ShapeColumn): Promise<number[]> {
    if (key.column !== null) return []
    const plan = await this.#explainOnce({
      text: `select (${key.definition}) from only ${quoteQualified(leaf.relation.schema, leaf.relation.name)}`,
    })
    return [plan.Plan["Plan Width"] ?? 32]
  }
}

/** Two candidates with one key are one index. */
function candidateKey({ schema, table, method, keys, include, where, unique, distinctShare }: CandidateIndex): string {
  return JSON.stringify([schema, table, method, keys, include, where, unique === true, distinctShare ?? null])
}

function createText({ schema, table, method, keys, include, where, unique }: CandidateIndex, name: string): string {
  const including = include.length === 0 ? "" : ` include (${include.map(quoteIncluded).join(", ")})`
  return `create ${unique === true ? "unique " : ""}index ${name} on ${quoteQualified(schema, table)} using ${method} (${keys.join(", ")})${including}${where === null ? "" : ` where ${where}`}`
}

/** Included columns may come quoted already. */
function quoteIncluded(column: string): string {
  return /^".*"$/.test(column) ? column : quoteIdentifier(column)
}
