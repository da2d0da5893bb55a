import type { ParseResult } from "../sql/parse.ts"
import { isNode, nodesOf, soleStatement, type TreeNode } from "../sql/tree.ts"

/** One step of a chain of joins: what is joined, and how. */
interface Step {
  readonly item: TreeNode
  readonly names: readonly string[]
  /** The condition of a left join; null for an inner one, whose condition stands in WHERE. */
  readonly on: TreeNode | null
}

/**
 * Writes the FROM clause of a SELECT in a given order of joining, in place, by rules that keep the meaning: inner joins may stand in
 * any order when their conditions are in WHERE; a left join may move as long as its condition reads only what stands before it, and
 * none may come first. False: it stands in that order already, and must not be touched. A string says why it cannot be done.
 */
export function reorderJoins(tree: ParseResult, order: readonly string[]): boolean | string {
  const [kind, select] = soleStatement(tree)
  if (kind !== "SelectStmt" || !Array.isArray(select.fromClause))
    return "only the joins of a plain SELECT can be written in another order"
  const steps: Step[] = []
  const where: TreeNode[] = []
  for (const item of select.fromClause) {
    const fault = readChain(item as TreeNode, steps, where)
    if (fault !== null) return fault
  }
  const known = new Set(steps.flatMap(({ names }) => names))
  const missing = order.find((name) => !known.has(name))
  if (missing !== undefined) return `${JSON.stringify(missing)} is not in the outermost FROM`

  const sorted = arrange(steps, order)
  if (typeof sorted === "string") return sorted
  if (select.fromClause.length === 1 && sorted.every((step, index) => step === steps[index])) return false
  const placed = new Set<string>()
  for (const [index, step] of sorted.entries()) {
    if (step.on !== null) {
      if (index === 0) return `${JSON.stringify(step.names[0])} is left joined and cannot come first`
      const missing = lacking(step, known, placed)
      if (missing !== null) return missing
    }
    for (const name of step.names) placed.add(name)
  }
  if (sorted.some((step, index) => step !== steps[index]) && hasBareStar(select.targetList))
    return "with SELECT * another order would change the order of the columns"

  select.fromClause = [
    sorted
      .map(({ item, on }) => ({ item, on }))
      .reduce((left, right) => ({
        item: {
          JoinExpr: {
            jointype: right.on === null ? "JOIN_INNER" : "JOIN_LEFT",
            larg: left.item,
            rarg: right.item,
            ...(right.on === null ? {} : { quals: right.on }),
          },
        },
        on: null,
      })).item,
  ]
  const conditions = [...where, ...(isNode(select.whereClause) ? [select.whereClause] : [])].flatMap(conjuncts)
  if (conditions.length === 1) select.whereClause = conditions[0]
  else if (conditions.length > 1) select.whereClause = { BoolExpr: { boolop: "AND_EXPR", args: conditions } }
  return true
}

/** Takes a left-deep chain of joins apart. */
function readChain(item: TreeNode, steps: Step[], where: TreeNode[]): string | null {
  const join = item.JoinExpr
  if (!isNode(join)) {
    const names = namesOf(item)
    if (typeof names === "string") return names
    steps.push({ item, names, on: null })
    return null
  }
  if (join.alias !== undefined || join.usingClause !== undefined || join.isNatural === true)
    return "joins by USING or NATURAL merge columns and cannot be moved"
  if (join.jointype !== "JOIN_INNER" && join.jointype !== "JOIN_LEFT") return "right and full joins cannot be moved"
  const fault = readChain(join.larg as TreeNode, steps, where)
  if (fault !== null) return fault
  const right = join.rarg as TreeNode
  const names = namesOf(right)
  if (typeof names === "string") return names
  const quals = isNode(join.quals) ? join.quals : null
  if (join.jointype === "JOIN_INNER") {
    if (quals !== null) where.push(quals)
    steps.push({ item: right, names, on: null })
  } else steps.push({ item: right, names, on: quals ?? { A_Const: { boolval: { boolval: true } } } })
  return null
}

/** Names of a FROM item, or why it must stay where it is. */
function namesOf(item: TreeNode): string[] | string {
  const [kind, node] = Object.entries(item)[0] as [string, TreeNode]
  const alias = isNode(node.alias) ? (node.alias.aliasname as string) : null
  if (kind === "RangeVar") return [alias ?? (node.relname as string)]
  if (kind === "RangeTableSample") return namesOf(node.relation as TreeNode)
  if (kind === "RangeSubselect" && node.lateral !== true && alias !== null) return [alias]
  if (kind === "JoinExpr" && alias === null) {
    const left = namesOf(node.larg as TreeNode)
    const right = namesOf(node.rarg as TreeNode)
    return typeof left === "string" ? left : typeof right === "string" ? right : [...left, ...right]
  }
  return "LATERAL items and functions in FROM cannot be moved"
}

/** The steps in the asked order, then the others as they stood. What was joined in parentheses stays together. */
function arrange(steps: readonly Step[], order: readonly string[]): Step[] | string {
  const sorted: Step[] = []
  for (const name of order) {
    const step = steps.find(({ names }) => names.includes(name))!
    if (sorted.at(-1) !== step && sorted.includes(step)) return `${step.names.join(" and ")} are joined to each other first`
    if (sorted.at(-1) !== step) sorted.push(step)
  }
  return [...sorted, ...steps.filter((step) => !sorted.includes(step))]
}

/** What a left join's condition reads that does not stand before it. */
function lacking(step: Step, known: ReadonlySet<string>, placed: ReadonlySet<string>): string | null {
  for (const node of nodesOf(step.on)) {
    if (!isNode(node.ColumnRef)) continue
    const parts = (node.ColumnRef.fields as TreeNode[]).map((field) =>
      isNode(field.String) ? (field.String.sval as string) : "*",
    )
    if (parts.length < 2) return "the condition of a left join has a column without its table's name"
    const name = parts.length === 2 ? parts[0]! : parts.at(-2)!
    if (known.has(name) && !placed.has(name) && !step.names.includes(name))
      return `the left join of ${JSON.stringify(step.names[0])} needs ${JSON.stringify(name)} before it`
  }
  return null
}

function hasBareStar(targets: unknown): boolean {
  for (const target of Array.isArray(targets) ? targets : []) {
    const value = isNode(target) && isNode(target.ResTarget) ? target.ResTarget.val : null
    if (isNode(value) && isNode(value.ColumnRef)) {
      const fields = value.ColumnRef.fields as TreeNode[]
      if (fields.length === 1 && fields[0]!.A_Star !== undefined) return true
    }
  }
  return false
}

function conjuncts(condition: TreeNode): TreeNode[] {
  const bool = condition.BoolExpr
  return isNode(bool) && bool.boolop === "AND_EXPR" ? (bool.args as TreeNode[]).flatMap(conjuncts) : [condition]
}
