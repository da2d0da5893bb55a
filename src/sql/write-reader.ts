import type { Node } from "libpg-query"
import { contextOf, openScope, readFromList, readOutput, readQuery } from "./block-reader.ts"
import { deparseSqlSync } from "./deparse.ts"
import { type Draft, type DraftBlock, type DraftRelation, newBlock, type Of } from "./draft.ts"
import { type ReadContext, readExpression } from "./expression-reader.ts"
import { readFrom } from "./from-reader.ts"
import { findQualifier, type Scope } from "./scope.ts"
import type { JoinType, OutputExpression, QueryBlock, WriteClause } from "./shape.ts"

function target(draft: Draft, block: DraftBlock, scope: Scope, node: Of<"RangeVar">): DraftRelation {
  readFrom(draft, block, scope, { RangeVar: node }, null, "target")
  const relation = draft.relations.at(-1)!
  draft.writes.push(relation.ordinal)
  return relation
}

function assignmentsOf(list: readonly Node[] | undefined, context: ReadContext): WriteClause["assignments"] {
  return (list ?? []).flatMap((node) => {
    if (!("ResTarget" in node)) return []
    const value = node.ResTarget.val
    const column = node.ResTarget.name ?? ""
    if (value === undefined) return []
    if ("MultiAssignRef" in value) {
      const source = value.MultiAssignRef.source!
      // (a, b) = (x, y): each column its own expression; (a, b) = (SELECT …): the subquery is read once, for the first.
      if ("RowExpr" in source)
        return [{ column, expression: readExpression(source.RowExpr.args![(value.MultiAssignRef.colno ?? 1) - 1]!, context) }]
      if ((value.MultiAssignRef.colno ?? 1) > 1) return [{ column, expression: { kind: "default" as const } }]
      return [{ column, expression: readExpression(source, context) }]
    }
    return [{ column, expression: readExpression(value, context) }]
  })
}

/** RETURNING may name the target's rows `old` and `new` (PostgreSQL 18). */
function returningScope(draft: Draft, scope: Scope, relation: DraftRelation): ReadContext {
  for (const alias of ["old", "new"]) if (findQualifier(scope, null, alias) === null) scope.relations.push({ ...relation, alias })
  return contextOf(draft, scope)
}

function returning(draft: Draft, clause: Of<"ReturningClause"> | undefined, context: ReadContext): OutputExpression[] {
  return readOutput(draft, clause?.exprs, context)
}

export function readInsert(
  draft: Draft,
  insert: Of<"InsertStmt">,
  role: QueryBlock["role"],
  parent: Scope | null,
  cte: QueryBlock["cte"],
): number {
  const block = newBlock(draft, role, "insert", parent, cte)
  const scope = openScope(draft, block, parent, insert.withClause)
  const columns = (insert.cols ?? []).flatMap((node) => ("ResTarget" in node ? [node.ResTarget.name ?? ""] : []))
  // The source does not see the target.
  const source = insert.selectStmt === undefined ? null : readQuery(draft, insert.selectStmt, "insert", scope)
  const relation = target(draft, block, scope, insert.relation!)
  scope.relations.push({ ...relation, alias: "excluded" })
  const context = returningScope(draft, scope, relation)
  const clause = insert.onConflictClause
  const update = clause?.action === "ONCONFLICT_UPDATE"
  block.write = {
    target: relation.ordinal,
    columns,
    assignments: assignmentsOf(clause?.targetList, context),
    source,
    conflict:
      clause === undefined
        ? null
        : { action: update ? "update" : "nothing", columns: inferred(clause.infer), constraint: clause.infer?.conname ?? null },
    actions: [],
  }
  block.where = clause?.whereClause === undefined ? null : readExpression(clause.whereClause, context)
  block.output = returning(draft, insert.returningClause, context)
  return block.ordinal
}

function inferred(clause: Of<"InferClause"> | undefined): string[] {
  return (clause?.indexElems ?? []).flatMap((node) => {
    if (!("IndexElem" in node)) return []
    return [node.IndexElem.name ?? (node.IndexElem.expr === undefined ? "" : deparseSqlSync(node.IndexElem.expr))]
  })
}

export function readUpdate(
  draft: Draft,
  update: Of<"UpdateStmt">,
  role: QueryBlock["role"],
  parent: Scope | null,
  cte: QueryBlock["cte"],
): number {
  const block = newBlock(draft, role, "update", parent, cte)
  const scope = openScope(draft, block, parent, update.withClause)
  const relation = target(draft, block, scope, update.relation!)
  block.from = [{ kind: "relation", relation: relation.ordinal }, ...readFromList(draft, block, scope, update.fromClause)]
  const context = contextOf(draft, scope)
  block.where = update.whereClause === undefined ? null : readExpression(update.whereClause, context)
  const assignments = assignmentsOf(update.targetList, context)
  returningScope(draft, scope, relation)
  block.write = {
    target: relation.ordinal,
    columns: assignments.map(({ column }) => column),
    assignments,
    source: null,
    conflict: null,
    actions: [],
  }
  block.output = returning(draft, update.returningClause, context)
  return block.ordinal
}

export function readDelete(
  draft: Draft,
  statement: Of<"DeleteStmt">,
  role: QueryBlock["role"],
  parent: Scope | null,
  cte: QueryBlock["cte"],
): number {
  const block = newBlock(draft, role, "delete", parent, cte)
  const scope = openScope(draft, block, parent, statement.withClause)
  const relation = target(draft, block, scope, statement.relation!)
  block.from = [{ kind: "relation", relation: relation.ordinal }, ...readFromList(draft, block, scope, statement.usingClause)]
  const context = contextOf(draft, scope)
  block.where = statement.whereClause === undefined ? null : readExpression(statement.whereClause, context)
  returningScope(draft, scope, relation)
  block.write = { target: relation.ordinal, columns: [], assignments: [], source: null, conflict: null, actions: [] }
  block.output = returning(draft, statement.returningClause, context)
  return block.ordinal
}

const mergeActions: Readonly<Record<string, WriteClause["actions"][number]["action"]>> = {
  CMD_UPDATE: "update",
  CMD_INSERT: "insert",
  CMD_DELETE: "delete",
}

export function readMerge(
  draft: Draft,
  merge: Of<"MergeStmt">,
  role: QueryBlock["role"],
  parent: Scope | null,
  cte: QueryBlock["cte"],
): number {
  const block = newBlock(draft, role, "merge", parent, cte)
  const scope = openScope(draft, block, parent, merge.withClause)
  const relation = target(draft, block, scope, merge.relation!)
  const source = readFrom(draft, block, scope, merge.sourceRelation!, null)
  const context = contextOf(draft, scope)
  const type: JoinType = "inner"
  const on = merge.joinCondition === undefined ? null : readExpression(merge.joinCondition, context)
  block.from = [
    {
      kind: "join",
      type,
      left: source,
      right: { kind: "relation", relation: relation.ordinal },
      on,
      using: [],
      natural: false,
      alias: null,
    },
  ]
  const whens = (merge.mergeWhenClauses ?? []).flatMap((node) => ("MergeWhenClause" in node ? [node.MergeWhenClause] : []))
  const actions = whens.map((when) => ({
    action: mergeActions[when.commandType ?? ""] ?? ("nothing" as const),
    condition: when.condition === undefined ? null : readExpression(when.condition, context),
    values: (when.values ?? []).map((value) => readExpression(value, context)),
  }))
  const assignments = whens
    .filter((when) => when.commandType === "CMD_UPDATE")
    .flatMap((when) => assignmentsOf(when.targetList, context))
  block.write = {
    target: relation.ordinal,
    columns: assignments.map(({ column }) => column),
    assignments,
    source: null,
    conflict: null,
    actions,
  }
  block.output = returning(draft, merge.returningClause, returningScope(draft, scope, relation))
  return block.ordinal
}
