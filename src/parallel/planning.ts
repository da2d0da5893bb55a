import { type SelectPieces, selectPieces } from "../sql/index.ts"
import { type Decomposition, decompose } from "./aggregates.ts"
import { type Executor, readTypes, type TypeFacts } from "./catalog.ts"
import { type Driver, driversOf } from "./driver.ts"
import { distinctOrder, inputColumns, isColumn, lastName, windowKey } from "./keys.ts"
import type { Knowledge } from "./knowledge.ts"
import type { ParallelRequest, Settled } from "./option.ts"
import { comparatorOf, isMoment, type SortColumn } from "./order.ts"
import { askedDivision, blocksOf, chosenDriver, type Divided, hashOf } from "./partition.ts"
import type { Mode, SplitPlan } from "./plan.ts"
import {
  bindStatement,
  collationProbe,
  countsKnown,
  expressionsProbe,
  groupsProbe,
  keyName,
  type OpenStatement,
  partialName,
  rowsProbe,
  type Source,
} from "./statements.ts"

export interface PlanContext {
  readonly executor: Executor
  readonly inTransaction: boolean
  /** Groups or rows that the planner expects. */
  readonly expectedGroups: number
  /** The rows are read while they come, so that an order must come by itself. */
  readonly streamed: boolean
}

/** Above this many groups, parts that share none are cheaper than merging theirs. */
const manyGroups = 20_000
/** The steps of planning one statement, which share what they have found. */
export class Planning {
  readonly #knowledge: Knowledge
  readonly #request: ParallelRequest
  readonly #options: Settled
  readonly #context: PlanContext
  readonly #drivers: readonly Driver[]
  /** Base types of the expressions that the server was asked about. */
  readonly #typeIds = new Map<string, number>()
  #source: Source

  constructor(
    knowledge: Knowledge,
    values: readonly unknown[],
    request: ParallelRequest,
    options: Settled,
    context: PlanContext,
  ) {
    this.#knowledge = knowledge
    this.#request = request
    this.#options = options
    this.#context = context
    this.#drivers = driversOf(knowledge.shape, knowledge)
    const hint = /^\s*(\/\*\+[\s\S]*?\*\/)/.exec(knowledge.shape.text)?.[1]
    this.#source = { pieces: this.#pieces([]), values, hint: hint === undefined ? "" : `${hint} ` }
  }

  async plan(): Promise<SplitPlan | string> {
    const { pieces } = this.#source
    if (pieces.grouping !== null || pieces.aggregates.length > 0 || pieces.having !== null) return this.#groups()
    if (pieces.distinct === "all") return this.#distinct()
    return this.#rows()
  }

  #pieces(mark: readonly string[]): SelectPieces {
    const { shape, isAggregate } = this.#knowledge
    return selectPieces(shape.text, { isAggregate, isInputColumn: inputColumns(this.#knowledge), mark })
  }

  /** Groups whose aggregates can be taken apart, or else parts that share no group. */
  async #groups(): Promise<SplitPlan | string> {
    const { pieces } = this.#source
    const { keys, groupingKeys } = pieces
    const probed = await this.#typesOf([...keys, ...pieces.aggregates.map(({ args }) => args[0] ?? "1")])
    const keyTypes = probed.slice(0, keys.length)
    const apart = this.#apart(probed.slice(keys.length))
    const keyed = this.#hashKey(keyTypes.slice(0, groupingKeys))
    if (typeof apart !== "string" && (keyed === null || apart.by !== null || !this.#wantsWholeGroups()))
      return this.#merged(apart)
    return keyed === null ? (apart as string) : this.#rowsOf(this.#byHash(keyed))
  }

  /** Parts that share no group, although the groups could be merged. */
  #wantsWholeGroups(): boolean {
    const { merge, partition } = this.#options
    if (merge === "union" || merge === "streaming" || this.#asksForKey()) return true
    return merge !== "hash" && partition === "auto" && this.#context.expectedGroups > manyGroups
  }

  /** Every aggregate in two steps, and the expression whose equal values must fall into one part. */
  #apart(types: readonly TypeFacts[]): { decompositions: Decomposition[]; by: string | null } | string {
    const { pieces } = this.#source
    if (pieces.beyondGroups !== null) return pieces.beyondGroups
    if (pieces.grouping?.startsWith("DISTINCT ")) return "GROUP BY DISTINCT is not split"
    const sets = this.#knowledge.shape.blocks[0]!.grouping?.sets ?? null
    if (sets !== null && pieces.keys.length > pieces.groupingKeys)
      return "columns stand beside grouping sets that are none of their keys"
    const decompositions: Decomposition[] = []
    let by: string | null = null
    for (const [at, call] of pieces.aggregates.entries()) {
      if (!this.#knowledge.isBuiltin(call)) return `${call.name}() is not PostgreSQL's own aggregate`
      const one = decompose(call, types[at]!.baseId)
      if (typeof one === "string") return one
      decompositions.push(one)
      if (!call.distinct || call.name === "min" || call.name === "max") continue
      // What is different in two groups may be the same, so their counts do not add up to that of both together.
      if (sets !== null) return `${call.name}(DISTINCT …) under grouping sets is not split`
      if (call.args.length !== 1) return `${call.name}(DISTINCT …) of several arguments is not split`
      if (by !== null && by !== call.args[0]) return "DISTINCT of two different expressions: no division suits both"
      if (!types[at]!.hashable) return `${types[at]!.sql} has no hash function`
      by = call.args[0]!
    }
    return { decompositions, by }
  }

  async #merged({ decompositions, by }: { decompositions: Decomposition[]; by: string | null }): Promise<SplitPlan | string> {
    const divided = by === null ? await this.#division() : this.#byHash(by)
    if (typeof divided === "string") return divided
    const { keys } = this.#source.pieces
    const probe = groupsProbe(this.#source, keys, decompositions)
    const { fields } = await this.#ask(probe)
    const types = await this.#readTypes(fields.map(({ typeId }) => typeId))
    const record = types.find((type) => !type.readable)
    if (record !== undefined) return `a key of type ${record.sql} has no text that can be read back`
    const collations = await this.#collations(probe, types)
    const answer = await this.#ask(rowsProbe(this.#source, []))
    return this.#finished("groups", divided, {
      keys,
      decompositions,
      given: types.map((type, at) => ({
        name: at < keys.length ? keyName(at) : partialName(at - keys.length),
        type: type.sql,
        collation: collations[at]!,
      })),
      givenTypes: types,
      names: answer.fields.map(({ name }) => name),
      types: answer.fields.map(({ typeId }) => typeId),
    })
  }

  async #distinct(): Promise<SplitPlan | string> {
    const { pieces } = this.#source
    if (pieces.output.some(({ name }) => name === null)) return "SELECT DISTINCT * has columns that the text does not name"
    if (this.#knowledge.shape.blocks[0]!.windowCalls.length > 0) return "DISTINCT over window functions is not split"
    if (this.#options.merge === "union" || this.#options.merge === "streaming" || this.#context.expectedGroups > manyGroups) {
      const types = await this.#typesOf(pieces.output.map(({ text }) => text))
      const at = types.findIndex((type) => type.hashable)
      if (at >= 0) return this.#rowsOf(this.#byHash(pieces.output[at]!.text))
    }
    const divided = await this.#division()
    if (typeof divided === "string") return divided
    if (distinctOrder(pieces) === null) return "ORDER BY of a SELECT DISTINCT names what is not plainly one of its columns"
    const probe = rowsProbe(this.#source, [])
    const { fields } = await this.#ask(probe)
    const types = await this.#readTypes(fields.map(({ typeId }) => typeId))
    const record = types.find((type) => !type.readable)
    if (record !== undefined) return `a column of type ${record.sql} has no text that can be read back`
    const collations = await this.#collations(probe, types)
    return this.#finished("distinct", divided, {
      keys: pieces.output.map(({ text }) => text),
      given: types.map((type, at) => ({ name: keyName(at), type: type.sql, collation: collations[at]! })),
      givenTypes: types,
      names: fields.map(({ name }) => name),
      types: fields.map(({ typeId }) => typeId),
    })
  }

  async #rows(): Promise<SplitPlan | string> {
    const { pieces } = this.#source
    const block = this.#knowledge.shape.blocks[0]!
    if (block.windowCalls.length > 0) {
      const key = windowKey(this.#knowledge.shape)
      if (key === null) return "window functions without a common PARTITION BY need all rows in one place"
      const [type] = await this.#typesOf([key])
      return type!.hashable ? this.#rowsOf(this.#byHash(key)) : `${type!.sql} has no hash function`
    }
    if (Array.isArray(pieces.distinct)) {
      const [key] = pieces.distinct
      const [type] = await this.#typesOf([key!])
      return type!.hashable ? this.#rowsOf(this.#byHash(key!)) : `${type!.sql} has no hash function`
    }
    const divided = await this.#division()
    return typeof divided === "string" ? divided : this.#rowsOf(divided)
  }

  /** Parts whose rows are only put together, in the order of the whole. */
  async #rowsOf(divided: Divided | string): Promise<SplitPlan | string> {
    if (typeof divided === "string") return divided
    this.#mark(divided)
    const { pieces } = this.#source
    if (!countsKnown(this.#source)) return "LIMIT or OFFSET is computed"
    if (pieces.order.some((key) => key.using)) return "ORDER BY USING has an order of its own"
    const probe = rowsProbe(
      this.#source,
      pieces.order.map(({ expression }) => expression),
    )
    const { fields } = await this.#ask(probe)
    const types = await this.#readTypes(fields.map(({ typeId }) => typeId))
    const width = fields.length - pieces.order.length
    const collations = pieces.order.length > 0 ? await this.#collations(probe, types) : []
    const sort = pieces.order.map(({ expression, descending, nullsFirst }, at) => ({
      sql: expression,
      type: types[width + at]!,
      collation: collations[width + at]!,
      descending,
      nullsFirst,
    }))
    return this.#finished("rows", divided, {
      names: fields.slice(0, width).map(({ name }) => name),
      types: fields.slice(0, width).map(({ typeId }) => typeId),
      sort: await this.#comparable(sort),
    })
  }

  /** Moments are compared by their seconds, where everything else can be compared in this process too. */
  async #comparable(sort: readonly SortColumn[]): Promise<readonly SortColumn[]> {
    if (!sort.some(({ type }) => isMoment(type))) return sort
    if (!sort.every(({ type, collation }) => isMoment(type) || comparatorOf(type, collation) !== null)) return sort
    if (this.#knowledge.catalog.serverVersion < 140_000) return sort
    const numeric = (await this.#readTypes([1700]))[0]!
    return sort.map((column) =>
      isMoment(column.type) ? { ...column, sql: `extract(epoch FROM ${column.sql})`, type: numeric } : column,
    )
  }

  #finished(mode: Mode, divided: Divided, more: Partial<SplitPlan> & Pick<SplitPlan, "names" | "types">): SplitPlan {
    this.#mark(divided)
    return {
      mode,
      knowledge: this.#knowledge,
      source: this.#source,
      divided,
      keys: [],
      decompositions: [],
      given: [],
      givenTypes: [],
      sort: [],
      ...more,
    }
  }

  /** The place of the parts' condition, where that is inside a subquery. */
  #mark({ driver }: Divided): void {
    if (driver !== null && driver.path.length > 1) this.#source = { ...this.#source, pieces: this.#pieces(driver.path) }
  }

  /** What was asked for, or blocks of the longest table. */
  async #division(): Promise<Divided | string> {
    const { executor } = this.#context
    const asked = await askedDivision(executor, this.#knowledge, this.#drivers, this.#request, this.#options)
    if (asked !== null) return asked
    const ranges = this.#context.streamed ? await this.#rangesInOrder() : null
    if (ranges !== null) return ranges
    const driver = chosenDriver(this.#drivers, this.#request)
    // Before 14 a condition on ctid reads the whole table.
    if (driver !== null && this.#knowledge.catalog.serverVersion >= 140_000) return blocksOf(driver, false)
    const range = this.#rangeColumn()
    if (range === null) return "no table of FROM can be divided by the place of its rows, nor by a column with an index"
    const options: Settled = { ...this.#options, partition: { range } }
    return (await askedDivision(executor, this.#knowledge, this.#drivers, this.#request, options)) ?? "nothing to divide"
  }

  /** Ranges of the first key of ORDER BY, where it is a column with an index and statistics: they can be read one after the other. */
  async #rangesInOrder(): Promise<Divided | null> {
    const key = this.#source.pieces.order[0]?.expression ?? null
    const name = key === null ? null : lastName(key)
    const indexed = this.#knowledge.catalog.relations.some((facts) =>
      facts?.columns.some((one) => one.name === name && one.indexed),
    )
    if (key === null || !indexed || key.includes('"')) return null
    const options: Settled = { ...this.#options, partition: { range: key } }
    const divided = await askedDivision(this.#context.executor, this.#knowledge, this.#drivers, this.#request, options)
    return typeof divided === "string" || !divided?.rangeOf || !isColumn(key, divided.rangeOf, this.#knowledge.shape)
      ? null
      : divided
  }

  #byHash(expression: string): Divided | string {
    const { partition } = this.#options
    if (this.#knowledge.catalog.serverVersion < 140_000) return "dividing by any type's hash needs PostgreSQL 14"
    const other = partition !== "auto" && !("hash" in partition && this.#isAskedKey(expression))
    if (other) return `the statement can only be divided by the hash of ${expression}`
    return hashOf(expression, `hash of ${oneLine(expression)}`, this.#typeIds.get(expression) ?? 0)
  }

  /** The grouping key with the most values whose type has a hash function; null where parts cannot be cut between groups. */
  #hashKey(types: readonly TypeFacts[]): string | null {
    const { pieces } = this.#source
    if (pieces.grouping === null || this.#knowledge.shape.blocks[0]!.grouping?.sets !== null) return null
    if (this.#knowledge.catalog.serverVersion < 140_000) return null
    const usable = pieces.keys.slice(0, pieces.groupingKeys).filter((_key, at) => types[at]!.hashable)
    const asked = usable.find((key) => this.#isAskedKey(key))
    if (asked !== undefined) return asked
    return usable.sort((a, b) => this.#distinctOf(b) - this.#distinctOf(a))[0] ?? null
  }

  #asksForKey(): boolean {
    return this.#source.pieces.keys.slice(0, this.#source.pieces.groupingKeys).some((key) => this.#isAskedKey(key))
  }

  #isAskedKey(key: string): boolean {
    const { partition } = this.#options
    if (partition === "auto" || !("hash" in partition)) return false
    return lastName(key) === partition.hash.slice(partition.hash.lastIndexOf(".") + 1)
  }

  #distinctOf(key: string): number {
    const name = lastName(key)
    const known = this.#knowledge.catalog.relations.flatMap((facts) =>
      (facts?.columns ?? [])
        .filter((column) => column.name === name)
        .map(({ distinct }) => ((distinct ?? 0) < 0 ? -distinct! * facts!.rows : (distinct ?? 0))),
    )
    return Math.max(0, ...known)
  }

  #rangeColumn(): string | null {
    const { shape, factsOf } = this.#knowledge
    const tables = shape.blocks[0]!.relations.map((ordinal) => shape.relations[ordinal]!)
    for (const relation of tables) {
      const facts = factsOf(relation)
      const column = facts?.kind === "f" ? undefined : facts?.columns.find((one) => one.indexed && one.notNull)
      if (column !== undefined) return `${relation.alias ?? relation.name}.${column.name}`
    }
    return null
  }

  async #typesOf(expressions: readonly string[]): Promise<readonly TypeFacts[]> {
    if (expressions.length === 0) return []
    const { fields } = await this.#ask(expressionsProbe(this.#source, expressions))
    const types = await this.#readTypes(fields.map(({ typeId }) => typeId))
    for (const [at, expression] of expressions.entries()) this.#typeIds.set(expression, types[at]!.baseId)
    return types
  }

  async #readTypes(ids: readonly number[]): Promise<readonly TypeFacts[]> {
    const known = await readTypes(this.#context.executor, ids)
    return ids.map((id) => known.get(id)!)
  }

  async #collations(probe: OpenStatement, types: readonly TypeFacts[]): Promise<readonly (string | null)[]> {
    const asked = types.flatMap((type, at) => (type.collatable ? [at] : []))
    if (asked.length === 0) return types.map(() => null)
    const { rows } = await this.#ask(collationProbe(probe, types.length, asked))
    const found = new Map(asked.map((column, at) => [column, rows[0]![at] ?? null]))
    return types.map((_type, at) => found.get(at) ?? null)
  }

  #ask(open: OpenStatement): ReturnType<Executor["queryText"]> {
    return this.#context.executor.queryText(bindStatement(open, [], "/* selecto:parallel */"), { timeoutMs: 10_000 })
  }
}

function oneLine(sql: string): string {
  return sql.replace(/\s+/g, " ")
}
