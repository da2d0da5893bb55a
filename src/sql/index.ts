export { arrayDecoder } from "./array-text.ts"
export { commutatorOf, relationsIn, subjectOf } from "./condition-reader.ts"
export { deparseSql, deparseSqlSync, loadDeparser } from "./deparse.ts"
export { expressionsOf } from "./derive.ts"
export * from "./expression.ts"
export { bareColumns, expressionText, sortText, type TextContext, windowText } from "./expression-text.ts"
export { fingerprint, fingerprintSync, normalizeSql, normalizeSqlSync } from "./fingerprint.ts"
export {
  checkIdentifier,
  cutIdentifier,
  isKeyword,
  maxIdentifierBytes,
  quoteIdentifier,
  quoteLiteral,
  quoteQualified,
} from "./identifier.ts"
export { compactParameters, replaceParameters } from "./parameters.ts"
export {
  loadSql,
  maxSqlLength,
  parseSql,
  parseSqlSync,
  type SplitStatement,
  splitStatements,
  splitStatementsSync,
  sqlLoaded,
} from "./parse.ts"
export * from "./pieces.ts"
export { repairNormalised } from "./repair.ts"
export { resolveShape, type ShapeCatalog } from "./resolve.ts"
export * from "./shape.ts"
export {
  loadShapes,
  statementShape,
  statementShapeSync,
  statementShapes,
  statementShapeWithViews,
  type ViewText,
} from "./shape-reader.ts"
export { fillSlots, slotText } from "./slots.ts"
export { blockText, type WrittenStatement } from "./statement-text.ts"
export { identityOf, isNode, nodesOf, soleStatement, type TreeNode, writeTree } from "./tree.ts"
