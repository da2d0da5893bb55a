import { SelectoError } from "../errors.ts"
import { deparseSqlSync } from "./deparse.ts"
import { type Node, type ParseResult, parseSqlSync } from "./parse.ts"

/** A node of libpg-query's tree, read without its types: it has hundreds. */
export type TreeNode = Record<string, unknown>

export function isNode(value: unknown): value is TreeNode {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Every object below a value, the value's own first. */
export function* nodesOf(value: unknown): Generator<TreeNode> {
  if (Array.isArray(value)) for (const item of value) yield* nodesOf(item)
  else if (isNode(value)) {
    yield value
    for (const item of Object.values(value)) yield* nodesOf(item)
  }
}

/** The statement's own node and its kind: ["SelectStmt", {…}]. */
export function soleStatement(tree: ParseResult): [string, TreeNode] {
  const statement = (tree as { stmts?: { stmt?: TreeNode }[] }).stmts?.[0]?.stmt ?? {}
  const [kind, node] = Object.entries(statement)[0] ?? ["", {}]
  return [kind, node as TreeNode]
}

/**
 * SQL of a changed tree, proved by reading it back: the same tree but for the places of its parts. Throws E_UNSUPPORTED_INPUT
 * where the text would not say what the tree says.
 */
export function writeTree(tree: ParseResult): string {
  const text = deparseSqlSync(tree)
  if (identityOf(parseSqlSync(text).stmts) !== identityOf(tree.stmts))
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The statement cannot be rewritten without a doubt about its meaning.")
  return text.replace(/;\s*$/, "")
}

/** SQL of a part of a tree: an expression, a FROM item, a sort key. Unproved. */
export function writeNode(node: TreeNode): string {
  return deparseSqlSync(node as unknown as Node).trim()
}

/** A text that two parts of trees share exactly when they say the same, wherever they stood. */
export function identityOf(value: unknown): string {
  return JSON.stringify(bare(value))
}

function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare)
  if (!isNode(value)) return value
  const kept: TreeNode = {}
  for (const key of Object.keys(value).sort())
    if (
      !/^(location|stmt_location|stmt_len|rexpr_list_start|rexpr_list_end|list_start|list_end)$/.test(key) &&
      value[key] !== undefined
    )
      kept[key] = bare(value[key])
  return kept
}
