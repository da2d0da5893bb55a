import { SelectoError } from "../errors.ts"
import type { Expression, SortKey } from "./expression.ts"
import { expressionText, sortText, type TextContext, windowText } from "./expression-text.ts"
import { quoteIdentifier, quoteQualified } from "./identifier.ts"
import type { FromItem, QueryBlock, ShapeRelation } from "./shape.ts"

/** What is written: the blocks and relations of a shape, or others made in their form. */
export interface WrittenStatement {
  readonly blocks: readonly QueryBlock[]
  readonly relations: readonly ShapeRelation[]
}

/**
 * SQL of a query block and the blocks inside it, by default of the whole statement. Columns are written with the name that their
 * relation goes by. Throws E_UNSUPPORTED_INPUT for what a shape does not keep whole: writes, samples, ORDINALITY, long VALUES lists.
 *
 * @example blockText(await statementShape("select id from orders where total > 5"))  // SELECT orders.id FROM orders WHERE …
 */
export function blockText(statement: WrittenStatement, ordinal = 0): string {
  const { blocks, relations } = statement
  const block = blocks[ordinal]!
  const nameOf = (relation: number): string => relations[relation]!.alias ?? relations[relation]!.name
  const context: TextContext = {
    column: (column) =>
      column.relation === null
        ? quoteQualified(column.qualifier, column.name)
        : quoteQualified(nameOf(column.relation), column.name),
    block: (inner) => blockText(statement, inner),
    star: (relation) => (relation === null ? "*" : `${quoteIdentifier(nameOf(relation))}.*`),
  }
  const text = (expression: Expression): string => expressionText(expression, context)
  const parts = [withText(statement, block)]
  if (block.setOperation !== null) parts.push(setText(statement, block.setOperation))
  else if (block.kind === "values") parts.push(valuesText(block, text))
  else if (block.kind === "select") parts.push(...selectParts(statement, block, text, context))
  else throw unwritable("a statement that writes")
  if (block.order.length > 0) parts.push(`ORDER BY ${orderText(block, context)}`)
  if (block.limit !== null)
    parts.push(block.withTies ? `FETCH FIRST (${text(block.limit)}) ROWS WITH TIES` : `LIMIT ${text(block.limit)}`)
  if (block.offset !== null) parts.splice(block.withTies ? -1 : parts.length, 0, `OFFSET ${text(block.offset)}`)
  for (const lock of block.locking) {
    const of = lock.of.length === 0 ? "" : ` OF ${lock.of.map(quoteIdentifier).join(", ")}`
    parts.push(`FOR ${lock.strength.toUpperCase()}${of}${lock.wait === "block" ? "" : ` ${lock.wait.toUpperCase()}`}`)
  }
  return parts.filter((part) => part !== "").join(" ")
}

function unwritable(what: string): SelectoError {
  return new SelectoError("E_UNSUPPORTED_INPUT", `The statement holds ${what}, which cannot be written again.`)
}

function withText(statement: WrittenStatement, block: QueryBlock): string {
  const ctes = statement.blocks.filter((inner) => inner.cte !== null && inner.parent === block.ordinal)
  if (ctes.length === 0) return ""
  const texts = ctes.map((inner) => {
    const { name, materialized } = inner.cte!
    const fence = materialized === null ? "" : materialized ? "MATERIALIZED " : "NOT MATERIALIZED "
    return `${quoteIdentifier(name)} AS ${fence}(${blockText(statement, inner.ordinal)})`
  })
  return `WITH ${ctes.some((inner) => inner.cte!.recursive) ? "RECURSIVE " : ""}${texts.join(", ")}`
}

function setText(statement: WrittenStatement, operation: NonNullable<QueryBlock["setOperation"]>): string {
  const word = ` ${operation.operator.toUpperCase()}${operation.all ? " ALL" : ""} `
  return operation.arms
    .map((arm) => {
      const { order, limit, offset, setOperation, locking } = statement.blocks[arm]!
      const plain = order.length === 0 && limit === null && offset === null && setOperation === null && locking.length === 0
      const inner = statement.blocks.some((block) => block.cte !== null && block.parent === arm)
      return plain && !inner ? blockText(statement, arm) : `(${blockText(statement, arm)})`
    })
    .join(word)
}

function valuesText(block: QueryBlock, text: (expression: Expression) => string): string {
  if (block.values === null) throw unwritable("a long VALUES list")
  return `VALUES ${block.values.map((row) => `(${row.map(text).join(", ")})`).join(", ")}`
}

function selectParts(
  statement: WrittenStatement,
  block: QueryBlock,
  text: (expression: Expression) => string,
  context: TextContext,
): string[] {
  const distinct =
    block.distinct === null
      ? ""
      : block.distinct === "all"
        ? "DISTINCT "
        : `DISTINCT ON (${block.distinct.map(text).join(", ")}) `
  const output = block.output.map(({ name, expression }) => {
    const written = text(expression)
    const bare = expression.kind === "column" && expression.name === name
    const unnamed = name === "?column?" && (expression.kind === "constant" || expression.kind === "operator")
    return name === null || bare || unnamed ? written : `${written} AS ${quoteIdentifier(name)}`
  })
  const parts = [`SELECT ${distinct}${output.join(", ")}`.trimEnd()]
  if (block.from.length > 0) parts.push(`FROM ${block.from.map((item) => fromText(statement, item, context, false)).join(", ")}`)
  if (block.where !== null) parts.push(`WHERE ${text(block.where)}`)
  if (block.grouping !== null && (block.grouping.keys.length > 0 || block.grouping.sets !== null)) {
    const { keys, sets, distinct: once } = block.grouping
    const keyTexts = keys.map((key) => keyText(key, text))
    const list =
      sets === null
        ? keyTexts.join(", ")
        : `GROUPING SETS (${sets.map((set) => `(${set.map((at) => keyTexts[at]).join(", ")})`).join(", ")})`
    parts.push(`GROUP BY ${once ? "DISTINCT " : ""}${list}`)
  }
  if (block.having !== null) parts.push(`HAVING ${text(block.having)}`)
  if (block.windows.length > 0) {
    const named = block.windows.map((window) => `${quoteIdentifier(window.as)} AS ${parenthesised(windowText(window, context))}`)
    parts.push(`WINDOW ${named.join(", ")}`)
  }
  return parts
}

function parenthesised(text: string): string {
  return text.startsWith("(") ? text : `(${text})`
}

/** A bare number in GROUP BY or ORDER BY is a position, and a bare string an error. */
function keyText(key: Expression, text: (expression: Expression) => string): string {
  if (key.kind !== "constant") return text(key)
  return `${text(key)}::${key.type === "integer" ? "integer" : key.type === "string" ? "text" : key.type === "boolean" ? "boolean" : "numeric"}`
}

/** Keys that are output columns go by their position: after a set operation, or beside DISTINCT, nothing else is allowed. */
function orderText(block: QueryBlock, context: TextContext): string {
  return block.order
    .map((key) => {
      const at = block.output.findIndex((entry) => entry.expression === key.expression)
      if (at >= 0)
        return sortText([{ ...key, expression: { kind: "constant", type: "integer", value: String(at + 1) } }], context)
      if (block.setOperation !== null) throw unwritable("an ORDER BY of a set operation that names no output column")
      return sortText([key.expression.kind === "constant" ? castKey(key, context) : key], context)
    })
    .join(", ")
}

function castKey(key: SortKey, context: TextContext): SortKey {
  const text = keyText(key.expression, (expression) => expressionText(expression, context))
  return { ...key, expression: { kind: "other", node: "Constant", text, args: [] } }
}

function fromText(statement: WrittenStatement, item: FromItem, context: TextContext, nested: boolean): string {
  if (item.kind === "relation") return relationText(statement, statement.relations[item.relation]!, context)
  const left = fromText(statement, item.left, context, false)
  const right = fromText(statement, item.right, context, true)
  const natural = item.natural ? "NATURAL " : ""
  const word = item.type === "inner" ? "JOIN" : item.type === "cross" ? "CROSS JOIN" : `${item.type.toUpperCase()} JOIN`
  const using = item.using.length === 0 ? "" : ` USING (${item.using.map(quoteIdentifier).join(", ")})`
  const on = item.on === null ? "" : ` ON ${expressionText(item.on, context)}`
  const joined = `${left} ${natural}${word} ${right}${using}${on}`
  if (item.alias !== null) return `(${joined}) AS ${quoteIdentifier(item.alias)}`
  return nested ? `(${joined})` : joined
}

function relationText(statement: WrittenStatement, relation: ShapeRelation, context: TextContext): string {
  if (relation.abridged) throw unwritable("a FROM item with ORDINALITY, column definitions, or a sample")
  const columns = relation.columnAliases.length === 0 ? "" : `(${relation.columnAliases.map(quoteIdentifier).join(", ")})`
  const alias = relation.alias === null ? "" : ` AS ${quoteIdentifier(relation.alias)}${columns}`
  switch (relation.kind) {
    case "table":
      return `${relation.only ? "ONLY " : ""}${quoteQualified(relation.schema, relation.name)}${alias}`
    case "cte":
      return `${quoteIdentifier(relation.name)}${alias}`
    case "function":
      return `${relation.lateral ? "LATERAL " : ""}${expressionText(relation.args[0]!, context)}${alias}`
    default: {
      const lateral = relation.lateral ? "LATERAL " : ""
      return `${lateral}(${blockText(statement, relation.source!)})${alias === "" ? "" : alias}`
    }
  }
}
