import { columnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { type Block, bind } from "./block.ts"
import { compileOperand } from "./compile-expression.ts"
import { encode } from "./encode.ts"
import type { Compiled, ExpressionNode } from "./node.ts"

/** A place inside a document: `#>` gives jsonb, `#>>` its text. The steps are one bound array, whatever they hold. */
export function compileJsonPath(block: Block, node: ExpressionNode & { expression: "json" }): Compiled {
  const of = compileOperand(block, node.of, "json()")
  if (of.type.type !== "json" && of.type.type !== "jsonb" && of.type.type !== "unknown")
    throw new SelectoError("E_INVALID_OPERATOR", `json() and jsonText() read json, not a column of type ${of.type.type}.`)
  const steps = node.path.map((step) => encode(String(step), columnType("string"), "json()"))
  const document = of.type.type === "json" && !node.text ? `${of.sql}::jsonb` : of.sql
  const sql = `(${document} ${node.text ? "#>>" : "#>"} ${bind(block.compilation, steps)}::text[])`
  return { sql, type: columnType(node.text ? "string" : "jsonb", { nullable: true }) }
}
