import {
  type ColumnReference,
  type ComparedValue,
  type Comparison,
  type ConditionNode,
  type Expression,
  mapExpression,
  type QueryBlock,
  type StatementShape,
  type Subject,
  subjectOf,
} from "../sql/index.ts"
import type { CatalogTable, IndexCatalog } from "./catalog.ts"
import { columnOf, tableOf } from "./catalog.ts"
import { selectivityOf } from "./selectivity.ts"

/** One comparison that an index on the table may serve. */
export interface Restriction {
  readonly operator: string
  /** Key text: a column or an expression, without qualifiers. */
  readonly text: string
  readonly column: string | null
  readonly columns: readonly string[]
  readonly expression: Expression
  /** Further key texts of a row comparison. */
  readonly row: readonly string[]
  readonly value: ComparedValue
  /** The text constant or bound value compared with, where it is known. */
  readonly constant: string | null
  /** The value comes from another relation of the statement. */
  readonly join: boolean
  /** Estimated share of the rows that satisfy it. */
  readonly selectivity: number
}

/** A key of an ordering. */
export interface OrderKey {
  readonly text: string
  readonly column: string | null
  readonly descending: boolean
  readonly nullsFirst: boolean
}

/** How one occurrence of a table is read by a statement. */
export interface TableAccess {
  readonly table: CatalogTable
  readonly relation: number
  /** All must hold. */
  readonly restrictions: readonly Restriction[]
  /** Of each: one arm must hold; every arm has a restriction on this table. */
  readonly alternatives: readonly (readonly (readonly Restriction[])[])[]
  readonly order: readonly OrderKey[]
  /** What the ordering is for. */
  readonly orderFor: "order_by" | "distinct_on" | "keyset" | null
  readonly limited: boolean
  readonly group: readonly OrderKey[]
  /** Arguments of min() and max() where nothing else is aggregated. */
  readonly extremes: readonly OrderKey[]
  /** `ORDER BY column <-> constant LIMIT n`. */
  readonly nearest: { readonly text: string; readonly column: string | null } | null
  /** Columns of the table that the statement reads; null: all of them. */
  readonly columns: readonly string[] | null
}

/** How a statement reads each table: restrictions pushed into subqueries, views and CTEs down to the tables themselves. */
export function accessesOf(shape: StatementShape, catalog: IndexCatalog, values: readonly unknown[] = []): TableAccess[] {
  const reader = new AccessReader(shape, catalog, values)
  return shape.relations.flatMap((relation) => {
    if (relation.kind !== "table" || relation.block < 0) return []
    const table = tableOf(catalog, relation.schema, relation.name)
    if (table === null || (table.kind !== "table" && table.kind !== "partitioned" && table.kind !== "matview")) return []
    // An INSERT's target is not searched.
    if (relation.where === "target" && shape.blocks[relation.block]?.kind === "insert") return []
    // Tables that inherit are read with it, by indexes of their own.
    return [table, ...heirsOf(table, catalog)].map((one) => reader.access(one, relation.ordinal))
  })
}

function heirsOf(table: CatalogTable, catalog: IndexCatalog): CatalogTable[] {
  const own = catalog.tables.filter((other) => other.inherits.includes(table.oid))
  return [...new Set(own.flatMap((heir) => [heir, ...heirsOf(heir, catalog)]))]
}

/** Holds what is computed once per statement. */
class AccessReader {
  private readonly shape: StatementShape
  private readonly catalog: IndexCatalog
  private readonly values: readonly unknown[]
  private readonly found = new Map<number, Restriction[]>()
  private readonly alternatives = new Map<number, Restriction[][][]>()

  constructor(shape: StatementShape, catalog: IndexCatalog, values: readonly unknown[]) {
    this.shape = shape
    this.catalog = catalog
    this.values = values
    for (const block of shape.blocks) {
      for (const condition of block.conditions) this.readNode(condition.node)
      for (const pair of block.joins) {
        if (pair.type !== "semi") continue
        this.note(pair.left, pair.operator, {
          kind: "column",
          count: 1,
          relations: [pair.right.relation],
          expression: pair.right.expression,
        })
        this.note(pair.right, pair.operator, {
          kind: "column",
          count: 1,
          relations: [pair.left.relation],
          expression: pair.left.expression,
        })
      }
    }
  }

  access(table: CatalogTable, relation: number): TableAccess {
    const block = this.shape.blocks[this.shape.relations[relation]!.block]!
    const ordering = this.ordering(block, relation)
    const own = (expression: Expression): OrderKey | null => {
      const subject = subjectOf(expression)
      return subject?.relation === relation
        ? { text: subject.text, column: subject.column, descending: false, nullsFirst: false }
        : null
    }
    const group = leading(block.grouping?.sets === null ? block.grouping.keys.map(own) : [])
    const distinct = block.distinct === "all" ? leading(block.output.map((entry) => own(entry.expression))) : []
    return {
      table,
      relation,
      restrictions: this.found.get(relation) ?? [],
      alternatives: this.alternatives.get(relation) ?? [],
      ...ordering,
      group: group.length > 0 ? group : distinct,
      extremes: extremesOf(block).flatMap((expression) => own(expression) ?? []),
      columns: this.columnsRead(relation),
    }
  }

  /** ORDER BY of the block, or of the blocks that read it whole, as far as it is this relation's. */
  private ordering(block: QueryBlock, relation: number): Pick<TableAccess, "order" | "orderFor" | "limited" | "nearest"> {
    const none = { order: [], orderFor: null, limited: false, nearest: null }
    let keys = block.order
    let limited = block.limit !== null
    let at = block
    // A view or subquery in FROM is ordered by whoever reads it alone.
    while (keys.length === 0 && at.parent !== null && at.role === "from") {
      const parent = this.shape.blocks[at.parent]!
      if (parent.relations.length !== 1 || at.grouping !== null || at.distinct !== null) break
      keys = parent.order
      limited = parent.limit !== null
      at = parent
    }
    const window = block.windowCalls[0]
    if (keys.length === 0 && window?.kind === "call" && window.over !== null) {
      keys = [
        ...window.over.partition.map((expression) => ({ expression, descending: false, nulls: "last" as const, using: null })),
        ...window.over.order,
      ]
    }
    const order: OrderKey[] = []
    for (const key of keys) {
      const subjects = this.origins(key.expression)
      const subject = subjects.find((candidate) => candidate.relation === relation)
      if (key.using !== null) break
      const distance = order.length === 0 ? distanceOf(subjects, key.expression, relation) : null
      if (distance !== null) return { ...none, limited, nearest: distance }
      if (subject === undefined) break
      order.push({ text: subject.text, column: subject.column, descending: key.descending, nullsFirst: key.nulls === "first" })
    }
    if (order.length === 0 && Array.isArray(block.distinct)) {
      for (const expression of block.distinct) {
        const subject = subjectOf(expression)
        if (subject?.relation !== relation) break
        order.push({ text: subject.text, column: subject.column, descending: false, nullsFirst: false })
      }
    }
    const orderFor = order.length === 0 ? null : Array.isArray(block.distinct) ? "distinct_on" : "order_by"
    return { order, orderFor, limited, nearest: null }
  }

  private readNode(node: ConditionNode): void {
    if (node.kind === "and") for (const arg of node.args) this.readNode(arg)
    else if (node.kind === "comparison") this.readComparison(node)
    else if (node.kind === "or") this.readOr(node.args)
  }

  private readComparison(node: Comparison): void {
    this.note(node.subject, node.operator, node.value, node.row)
    if (node.mirror !== null) {
      const turned = ({ "<": ">", ">": "<", "<=": ">=", ">=": "<=" } as Record<string, string>)[node.operator] ?? node.operator
      this.note(node.mirror, turned, {
        kind: "column",
        count: 1,
        relations: [node.subject.relation],
        expression: node.subject.expression,
      })
    }
  }

  private note(subject: Subject, operator: string, value: ComparedValue, row: readonly Subject[] = []): void {
    for (const restriction of this.restrictions(subject, operator, value, row)) {
      const { relation, ...rest } = restriction
      const list = this.found.get(relation)
      if (list === undefined) this.found.set(relation, [rest])
      else if (!list.some((known) => known.text === rest.text && known.operator === rest.operator && known.join === rest.join))
        list.push(rest)
    }
  }

  /** The restriction on each table that the subject comes from. */
  private restrictions(
    subject: Subject,
    operator: string,
    value: ComparedValue,
    row: readonly Subject[],
  ): (Restriction & { relation: number })[] {
    return this.origins(subject.expression).flatMap((origin) => {
      const relation = this.shape.relations[origin.relation]!
      const table = relation.kind === "table" ? tableOf(this.catalog, relation.schema, relation.name) : null
      if (table === null) return []
      const constant = this.constantOf(value.expression)
      const join = value.relations.length > 0 || value.kind === "column"
      const made = {
        operator,
        text: origin.text,
        column: origin.column,
        columns: origin.columns,
        expression: origin.expression,
        row: row.map((other) => other.text),
        value,
        constant,
        join,
      }
      return [{ ...made, selectivity: selectivityOf(table, made), relation: origin.relation }]
    })
  }

  /** Each arm of an OR must restrict the same table for its indexes to be combined. */
  private readOr(args: readonly ConditionNode[]): void {
    const arms = args.map((arg) => this.armRestrictions(arg))
    const relations = new Set(arms[0]?.map((restriction) => restriction.relation))
    for (const relation of relations) {
      const own = arms.map((arm) => arm.filter((restriction) => restriction.relation === relation))
      if (own.some((arm) => arm.length === 0)) continue
      const list = this.alternatives.get(relation) ?? []
      list.push(own)
      this.alternatives.set(relation, list)
    }
  }

  private armRestrictions(node: ConditionNode): (Restriction & { relation: number })[] {
    if (node.kind === "and") return node.args.flatMap((arg) => this.armRestrictions(arg))
    if (node.kind === "or") {
      // An OR within an arm of an OR cannot occur; within its AND the first arm stands for all.
      return []
    }
    if (node.kind !== "comparison") return []
    return this.restrictions(node.subject, node.operator, node.value, node.row)
  }

  /** What an expression is over tables: columns of subqueries replaced by what the subqueries put out. */
  private origins(expression: Expression, depth = 0): Subject[] {
    const subject = subjectOf(expression)
    if (subject === null || depth > 20) return []
    const relation = this.shape.relations[subject.relation]!
    if (relation.source === null) return [subject]
    const blocks = this.outputBlocks(relation.source, new Set())
    return blocks.flatMap((block) => {
      let known = true
      const replaced = mapExpression(expression, (inner) => {
        if (inner.kind !== "column") return inner
        const output = this.outputOf(block, blocks[0]!, inner, relation.columnAliases)
        if (output === null) known = false
        return output ?? inner
      })
      return known ? this.origins(replaced, depth + 1) : []
    })
  }

  /** By position: the arms of a set operation go by the names of the first. */
  private outputOf(block: QueryBlock, first: QueryBlock, column: ColumnReference, aliases: readonly string[]): Expression | null {
    const renamed = aliases.indexOf(column.name)
    const at = renamed >= 0 ? renamed : first.output.findIndex((entry) => entry.name === column.name)
    return block.output[at]?.expression ?? null
  }

  /** The blocks whose rows a source puts out: itself, or the arms of a set operation. */
  private outputBlocks(source: number, seen: Set<number>): QueryBlock[] {
    const block = this.shape.blocks[source]
    if (block === undefined || seen.has(source)) return []
    seen.add(source)
    return block.setOperation === null ? [block] : block.setOperation.arms.flatMap((arm) => this.outputBlocks(arm, seen))
  }

  private constantOf(expression: Expression | null): string | null {
    if (expression === null) return null
    if (expression.kind === "cast") return this.constantOf(expression.operand)
    if (expression.kind === "constant") return expression.value
    if (expression.kind !== "parameter") return null
    const value = this.values[expression.number - 1]
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : null
  }

  private columnsRead(relation: number): readonly string[] | null {
    const names = new Set<string>()
    for (const use of this.shape.columns) {
      if (use.relation !== relation && use.relation !== null) continue
      if (use.relation === null && use.name === "*") continue
      // count(*) reads no column: a bare star is opened by resolveShape.
      if (use.name === "*") return null
      if (use.relation === null) continue
      names.add(use.name)
    }
    const block = this.shape.blocks[this.shape.relations[relation]!.block]
    if (block?.output.some((entry) => entry.expression.kind === "star")) return null
    if (block !== undefined && block.locking.length > 0) return null
    if (this.shape.writes.includes(relation)) return null
    const table = tableOf(this.catalog, this.shape.relations[relation]!.schema, this.shape.relations[relation]!.name)
    return [...names].filter((name) => table !== null && columnOf(table, name) !== null)
  }
}

function leading(keys: readonly (OrderKey | null)[]): OrderKey[] {
  // Group keys have no order of their own: those of this table can all lead.
  return keys.flatMap((key) => key ?? [])
}

/** Arguments of min and max in a block that aggregates nothing else and groups by nothing. */
function extremesOf(block: QueryBlock): readonly Expression[] {
  if (block.grouping !== null || block.aggregates.length === 0) return []
  const calls = block.aggregates.map((call) =>
    call.kind === "call" && (call.name === "min" || call.name === "max") ? call.args[0] : undefined,
  )
  return calls.some((argument) => argument === undefined) ? [] : (calls as Expression[])
}

/** The column side of a distance operator in an ORDER BY key. */
function distanceOf(_subjects: readonly Subject[], expression: Expression, relation: number): TableAccess["nearest"] {
  if (expression.kind !== "operator" || !/^(<->|<<->|<->>|<=>|<#>|<\+>)$/.test(expression.name) || expression.left === null)
    return null
  for (const side of [expression.left, expression.right]) {
    const subject = subjectOf(side)
    if (subject?.relation === relation) return { text: subject.text, column: subject.column }
  }
  return null
}

/** Names of tables and views that a statement reads or writes. */
export function relationNames(shape: StatementShape): { schema: string | null; name: string }[] {
  return shape.relations.filter((relation) => relation.kind === "table").map(({ schema, name }) => ({ schema, name }))
}
