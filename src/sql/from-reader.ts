import type { Node } from "libpg-query"
import { contextOf, readQuery } from "./block-reader.ts"
import type { Draft, DraftBlock, DraftRelation, Of } from "./draft.ts"
import { namesOf, readExpression } from "./expression-reader.ts"
import { parseSqlSync } from "./parse.ts"
import type { Scope } from "./scope.ts"
import { type FromItem, type JoinType, plainRelation, type ShapeRelation } from "./shape.ts"

const joinTypes: Readonly<Record<string, JoinType>> = {
  JOIN_INNER: "inner",
  JOIN_LEFT: "left",
  JOIN_RIGHT: "right",
  JOIN_FULL: "full",
}

/** Reads one FROM item into the block and its scope. `join` is how it was joined to what stands left of it. */
export function readFrom(
  draft: Draft,
  block: DraftBlock,
  scope: Scope,
  node: Node,
  join: JoinType | null,
  where: ShapeRelation["where"] = "from",
): FromItem {
  const add = (relation: Partial<DraftRelation>, alias: Of<"Alias"> | undefined): FromItem => {
    const ordinal = draft.relations.length
    const made: DraftRelation = {
      ...plainRelation,
      ordinal,
      block: block.ordinal,
      alias: alias?.aliasname ?? null,
      columnAliases: namesOf(alias?.colnames),
      where,
      join,
      nullable: join === "left" || join === "full",
      ...relation,
    }
    draft.relations.push(made)
    block.relations = [...block.relations, ordinal]
    scope.relations.push(made)
    return { kind: "relation", relation: ordinal }
  }
  if ("RangeVar" in node) {
    const { schemaname, relname = "", alias, inh } = node.RangeVar
    const cte = schemaname === undefined && where === "from" ? scope.ctes.get(relname) : undefined
    if (cte !== undefined) {
      const renamed = namesOf(alias?.colnames)
      return add(
        { kind: "cte", name: relname, source: cte.block, columnAliases: [...renamed, ...cte.columns.slice(renamed.length)] },
        alias,
      )
    }
    const viewText = where === "from" ? draft.viewText(schemaname ?? null, relname) : null
    if (viewText !== null) {
      // A view sees nothing of the statement around it.
      const around: Scope = { block: block.ordinal, relations: [], parent: null, ctes: new Map() }
      const [view] = parseSqlSync(viewText).stmts ?? []
      if (view?.stmt !== undefined && "SelectStmt" in view.stmt) {
        return add({ kind: "subquery", name: relname, source: readQuery(draft, view.stmt, "from", around) }, alias)
      }
    }
    return add({ schema: schemaname ?? null, name: relname, only: inh !== true }, alias)
  }
  if ("RangeTableSample" in node) {
    const item = readFrom(draft, block, scope, node.RangeTableSample.relation!, join)
    if (item.kind === "relation") Object.assign(draft.relations[item.relation]!, { sampled: true, abridged: true })
    return item
  }
  if ("RangeSubselect" in node) {
    const { subquery, alias, lateral = false } = node.RangeSubselect
    // Without LATERAL a subquery sees the CTEs of this block but not its FROM.
    const around: Scope = lateral ? scope : { ...scope, relations: [] }
    const source = readQuery(draft, subquery!, "from", around)
    const kind = draft.blocks[source]!.kind === "values" ? "values" : "subquery"
    return add({ kind, name: alias?.aliasname ?? "", source, lateral }, alias)
  }
  if ("JoinExpr" in node) return readJoin(draft, block, scope, node.JoinExpr, join)
  if ("RangeFunction" in node) {
    const context = contextOf(draft, scope)
    const calls = (node.RangeFunction.functions ?? []).flatMap((entry) =>
      "List" in entry ? (entry.List.items ?? []).slice(0, 1) : [],
    )
    const args = calls.filter((entry) => Object.keys(entry).length > 0).map((entry) => readExpression(entry, context))
    const first = args[0]
    const name = first?.kind === "call" ? first.name : ""
    const columns = (node.RangeFunction.coldeflist ?? []).flatMap((entry) =>
      "ColumnDef" in entry ? [entry.ColumnDef.colname ?? ""] : [],
    )
    const alias = node.RangeFunction.alias
    const abridged = calls.length !== 1 || columns.length > 0 || (node.RangeFunction.ordinality ?? false)
    const named = columns.length > 0 ? { columnAliases: columns } : {}
    return add({ kind: "function", name, lateral: true, args, abridged, ...named }, alias)
  }
  const [kind, table] = Object.entries(node)[0] as [string, { alias?: Of<"Alias"> }]
  const context = contextOf(draft, scope)
  return add(
    {
      kind: "function",
      name: kind === "JsonTable" ? "json_table" : "xmltable",
      lateral: true,
      args: [readExpression(node, context)],
      abridged: true,
    },
    table?.alias,
  )
}

function readJoin(draft: Draft, block: DraftBlock, scope: Scope, node: Of<"JoinExpr">, outerJoin: JoinType | null): FromItem {
  const using = namesOf(node.usingClause)
  const natural = node.isNatural ?? false
  const declared = joinTypes[node.jointype ?? "JOIN_INNER"] ?? "inner"
  const type: JoinType = declared === "inner" && node.quals === undefined && using.length === 0 && !natural ? "cross" : declared
  const firstLeft = draft.relations.length
  const left = readFrom(draft, block, scope, node.larg!, outerJoin)
  const firstRight = draft.relations.length
  const right = readFrom(draft, block, scope, node.rarg!, type)
  const own = (from: number, to: number): DraftRelation[] =>
    draft.relations.slice(from, to).filter((relation) => relation.block === block.ordinal)
  if (type === "left" || type === "full") for (const relation of own(firstRight, draft.relations.length)) relation.nullable = true
  if (type === "right" || type === "full") for (const relation of own(firstLeft, firstRight)) relation.nullable = true
  const on = node.quals === undefined ? null : readExpression(node.quals, contextOf(draft, scope))
  return { kind: "join", type, left, right, on, using, natural, alias: node.alias?.aliasname ?? null }
}
