import type { Node } from "libpg-query"
import { LRUCache } from "lru-cache"
import { SelectoError } from "../errors.ts"
import { readQuery } from "./block-reader.ts"
import { loadDeparser } from "./deparse.ts"
import { allResolved, columnUsesOf, deriveBlocks } from "./derive.ts"
import type { Draft } from "./draft.ts"
import { loadSql, splitStatementsSync } from "./parse.ts"
import { plainRelation, type StatementShape } from "./shape.ts"

/** Shapes kept, bounded by the characters of their texts: a shape takes some 20 times the memory of its text. */
const memo = new LRUCache<string, StatementShape>({
  max: 2000,
  maxSize: 4_000_000,
  maxEntrySize: 400_000,
  sizeCalculation: (_shape, text) => text.length + 1,
})

/** SQL of a view to read in place of its name; null for what is no view. */
export type ViewText = (schema: string | null, name: string) => string | null

/** Loads what reading shapes needs, once per process. */
export async function loadShapes(): Promise<void> {
  await Promise.all([loadSql(), loadDeparser()])
}

/**
 * What a statement asks, from its text alone. Memoised by text. Throws E_SQL_SYNTAX, E_SQL_TOO_COMPLEX, or E_SQL_STATEMENT_COUNT
 * when the text is not exactly one statement.
 *
 * @example (await statementShape("select id from orders where total > 5")).relations[0].name  // "orders"
 */
export async function statementShape(text: string): Promise<StatementShape> {
  const known = memo.get(text)
  if (known !== undefined) return known
  await loadShapes()
  return statementShapeSync(text)
}

/** As {@link statementShape}, once {@link loadShapes} has resolved. */
export function statementShapeSync(text: string): StatementShape {
  const known = memo.get(text)
  if (known !== undefined) return known
  const shape = readSole(text, () => null)
  memo.set(text, shape)
  return shape
}

/** As {@link statementShape}, with views read as the subqueries that they are; not memoised. */
export async function statementShapeWithViews(text: string, viewText: ViewText): Promise<StatementShape> {
  await loadShapes()
  return readSole(text, viewText)
}

/** The shapes of all statements of a text. Not memoised. */
export async function statementShapes(text: string): Promise<StatementShape[]> {
  await loadShapes()
  return splitStatementsSync(text).map((statement) => guarded(() => readShape(statement.text, statement.node, () => null)))
}

function readSole(text: string, viewText: ViewText): StatementShape {
  const statements = splitStatementsSync(text)
  if (statements.length !== 1) {
    const what = statements.length === 0 ? "holds no statement" : `holds ${statements.length} statements`
    throw new SelectoError("E_SQL_STATEMENT_COUNT", `The SQL text ${what}; give exactly one.`)
  }
  return guarded(() => readShape(text, statements[0]!.node, viewText))
}

/** Our own readers recurse over the tree; what is too deep for them is the caller's fault, not ours. */
function guarded<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError)
      throw new SelectoError("E_SQL_TOO_COMPLEX", "The SQL text is nested too deeply to be read.", { cause: error })
    throw error
  }
}

/** Utility commands with a query inside: what is planned is that query. */
function innerQuery(node: Node): Node | null {
  if ("ExplainStmt" in node) return node.ExplainStmt.query ?? null
  if ("PrepareStmt" in node) return node.PrepareStmt.query ?? null
  if ("DeclareCursorStmt" in node) return node.DeclareCursorStmt.query ?? null
  if ("CreateTableAsStmt" in node) return node.CreateTableAsStmt.query ?? null
  if ("ViewStmt" in node) return node.ViewStmt.query ?? null
  if ("CopyStmt" in node) return node.CopyStmt.query ?? null
  return null
}

const queryKinds = {
  SelectStmt: "select",
  InsertStmt: "insert",
  UpdateStmt: "update",
  DeleteStmt: "delete",
  MergeStmt: "merge",
} as const

function readShape(text: string, node: Node, viewText: ViewText): StatementShape {
  const draft: Draft = {
    relations: [],
    blocks: [],
    writes: [],
    functions: new Map(),
    parameters: new Map(),
    viewText: boundedViews(viewText),
  }
  const tag = Object.keys(node)[0] ?? ""
  const intoTable = "SelectStmt" in node && node.SelectStmt.intoClause !== undefined
  const kind = intoTable ? "utility" : (queryKinds[tag as keyof typeof queryKinds] ?? "utility")
  const query = tag in queryKinds ? node : innerQuery(node)
  if (query !== null && Object.keys(query).some((key) => key in queryKinds)) readQuery(draft, query, "statement", null)
  if (kind === "utility") utilityTargets(draft, node)
  deriveBlocks(draft.blocks, draft.relations)
  const { relations, blocks } = draft
  return {
    text,
    kind,
    command: intoTable ? "SELECT INTO" : commandOf(tag),
    relations,
    blocks,
    writes: draft.writes,
    parameters: [...draft.parameters].sort(([a], [b]) => a - b).map(([number, cast]) => ({ kind: "parameter", number, cast })),
    functions: [...draft.functions.values()],
    columns: columnUsesOf(blocks, relations),
    resolved: allResolved(blocks, relations),
  }
}

/** Views of views end somewhere; a definition that names itself by a shadowed name must not go round for ever. */
function boundedViews(viewText: ViewText): ViewText {
  let left = 200
  return (schema, name) => (left-- > 0 ? viewText(schema, name) : null)
}

/** Tables that a utility command names as its object. */
function utilityTargets(draft: Draft, node: Node): void {
  const body = Object.values(node)[0] as {
    relations?: Node[]
    relation?: { relname?: string; schemaname?: string }
    rels?: Node[]
  }
  const named = [...(Array.isArray(body.relations) ? body.relations : []), ...(Array.isArray(body.rels) ? body.rels : [])]
  const ranges = named.flatMap((entry) => ("RangeVar" in entry ? [entry.RangeVar] : []))
  if (body.relation?.relname !== undefined) ranges.push(body.relation)
  for (const { relname = "", schemaname = null } of ranges) {
    const ordinal = draft.relations.length
    draft.relations.push({ ...plainRelation, ordinal, block: -1, schema: schemaname, name: relname, where: "target" })
    draft.writes.push(ordinal)
  }
}

/** "CreateTableAsStmt" → "CREATE TABLE AS". */
function commandOf(tag: string): string {
  const words = tag.replace(/Stmt$/, "").replace(/([a-z])([A-Z])/g, "$1 $2")
  return words.toUpperCase()
}
