import type { FieldModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier } from "../sql/identifier.ts"
import type { OrderKey } from "./after.ts"
import type { Block } from "./block.ts"
import type { Place } from "./compile.ts"
import { compileOperand, compilePath } from "./compile-expression.ts"
import { orderSql } from "./compile-subquery.ts"
import { orderOf } from "./expression.ts"
import type { GroupingSetItem, GroupingUse } from "./grouping.ts"
import { columnAlias } from "./name.ts"
import { type Compiled, type GroupingValue, isExpression } from "./node.ts"
import type { QueryState, SelectItem } from "./state.ts"

/** What a query selects, compiled, by its name, and the name by the expression it was written as. */
export interface Selected {
  readonly byName: Map<string, Compiled>
  readonly names: Map<unknown, string>
  /** Names of those that are made of window functions. */
  readonly windowed: string[]
}

/** A selected column whose values have equality. JSON that the query makes itself becomes jsonb, which has; stored json may not. */
export function comparable({ name, source }: SelectItem, compiled: Compiled): Compiled {
  if (compiled.type.type !== "json") return compiled
  const own = isExpression(source) && (source.node.expression === "nest" || source.node.expression === "aggregate")
  if (!own) throw noEquality(name)
  return { ...compiled, sql: `${compiled.sql}::jsonb`, type: { ...compiled.type, type: "jsonb" } }
}

function noEquality(name: string): SelectoError {
  return new SelectoError(
    "E_INVALID_OPERATOR",
    `${JSON.stringify(name)} is json, which has no equality: rows of it cannot be told apart. Select cast(${JSON.stringify(name)}, "jsonb").`,
    { path: name },
  )
}

/** ROLLUP, CUBE or GROUPING SETS. */
export function groupingSets(
  block: Block,
  value: GroupingValue,
  selected: Selected,
  uses: readonly GroupingUse[],
  sets: GroupingSetItem[],
): string {
  const { kind, sets: items } = value.node
  const lists = items.map((set) => {
    const paths: FieldModel[] = []
    const names = new Set<string>()
    const list = set.map((item) => groupItem(block, item, selected, uses, paths, names)).join(", ")
    sets.push({ paths, names })
    return set.length === 1 && kind !== "GROUPING SETS" ? list : `(${list})`
  })
  return `${kind} (${lists.join(", ")})`
}

/**
 * One item of GROUP BY: a path, an alias, or an expression. One that is selected is written as it stands there, with the same
 * placeholders, so that PostgreSQL sees the same expression.
 */
export function groupItem(
  block: Block,
  item: unknown,
  selected: Selected,
  uses: readonly GroupingUse[],
  paths: FieldModel[],
  names: Set<string>,
): string {
  const field = typeof item === "string" ? block.model.fields.get(item) : undefined
  const alias = isExpression(item) ? selected.names.get(item) : field === undefined ? (item as string) : undefined
  const known = alias === undefined ? undefined : selected.byName.get(alias)
  if (alias !== undefined && known !== undefined) {
    if (uses.some((use) => use.item === alias && use.aggregate))
      throw new SelectoError(
        "E_NOT_GROUPED",
        `${JSON.stringify(alias)} is an aggregate; rows cannot be grouped by it. Filter groups with having().`,
        { path: alias },
      )
    if (known.type.type === "json") throw noEquality(alias)
    names.add(alias)
    return known.sql
  }
  // The columns of a custom column are grouped as that column is.
  if (field?.custom != null) names.add(field.path)
  block.onPath = (used, via) => {
    if (typeof item === "string" && via === null) paths.push(used)
  }
  const { sql, type } = compileOperand(block, item, "groupBy()")
  block.onPath = null
  if (type.type === "json") throw noEquality(typeof item === "string" ? item : "groupBy()")
  if (isExpression(item)) for (const [name, one] of selected.byName) if (one.sql === sql) names.add(name)
  return sql
}

/** How groupBy, having and distinctOn read a name. */
export function pathBeforeAlias(block: Block, name: string, selected: Selected): Compiled {
  if (block.model.fields.has(block.prefix + name)) return compilePath(block, name)
  return selected.byName.get(name) ?? compilePath(block, name)
}

/** The keys that a query is ordered by: what the domain demands, then what was asked for, else the domain's default. */
export function orderItems(state: QueryState, block: Block, place: Place): readonly unknown[] {
  const required = state.domain.requirements.orderBy
  // The order of rows that stand inside another statement is lost, unless it decides which of them there are.
  const idle = place.nested && state.limit === null && state.offset === null && state.distinctOn.length === 0
  const plain = state.groupBy.length === 0 && block.aggregates === 0 && !state.distinct && !idle
  const asked = state.orderBy ?? (plain ? state.domain.defaults.orderBy : [])
  if (place.recursion !== undefined || place.keysOf !== undefined) return []
  return required.length === 0 ? asked : [...required, ...asked]
}

/** One key of the order; an alias before a path, and what is selected as it stands there. */
export function orderKey(block: Block, item: unknown, selected: Selected): OrderKey {
  const { by, descending, nulls } = orderOf(item).node
  const name = typeof by === "string" ? by : selected.names.get(by)
  const known = name === undefined ? undefined : selected.byName.get(name)
  if (known?.type.type === "json")
    throw new SelectoError("E_INVALID_OPERATOR", `${JSON.stringify(name)} is json, which has no order.`, { path: name })
  const { windows } = block
  const { sql, type } = known ?? compileOperand(block, by, "orderBy()")
  const windowed = known === undefined ? block.windows > windows : selected.windowed.includes(name!)
  const written = known !== undefined && !block.model.fields.has(name!) ? quoteIdentifier(columnAlias(name!)) : sql
  return { sql, clause: orderSql(written, descending, nulls), type, descending, nulls, windowed }
}
