import { columnType } from "../domain/column-type.ts"
import { SelectoError } from "../errors.ts"
import { type Block, bind } from "./block.ts"
import { compileOperand } from "./compile-expression.ts"
import { encode, isText } from "./encode.ts"
import type { Compiled, ExpressionNode } from "./node.ts"
import type { SearchMode, SearchOptions } from "./types/search.ts"

const readers: Readonly<Record<SearchMode, string>> = {
  websearch: "websearch_to_tsquery",
  words: "plainto_tsquery",
  phrase: "phraseto_tsquery",
  tsquery: "to_tsquery",
}

/** Document and query of a full-text search; text is made a document in the search's own language. */
function sides(block: Block, of: Compiled, path: string, text: string, options: SearchOptions): readonly [string, string] {
  const mode = options.mode ?? "websearch"
  if (!Object.hasOwn(readers, mode))
    throw new SelectoError("E_INVALID_OPTION", `The mode of a search is one of ${Object.keys(readers).join(", ")}.`, {
      path: "mode",
    })
  const string = columnType("string")
  const { configuration } = options
  const language =
    configuration === undefined ? "" : `${bind(block.compilation, encode(configuration, string, "configuration"))}::regconfig, `
  const query = `${readers[mode]}(${language}${bind(block.compilation, encode(text, string, path))})`
  if (of.type.type === "tsvector" || of.type.type === "unknown") return [of.sql, query]
  if (!isText(of.type))
    throw new SelectoError(
      "E_INVALID_OPERATOR",
      `A search reads text and tsvector, and ${JSON.stringify(path)} is of type ${of.type.type}.`,
      {
        path,
      },
    )
  return [`to_tsvector(${language}${of.sql})`, query]
}

/** `document @@ query` */
export function compileSearch(block: Block, of: Compiled, path: string, text: string, options: SearchOptions): string {
  return sides(block, of, path, text, options).join(" @@ ")
}

/** `ts_rank(document, query)` */
export function compileRank(block: Block, node: ExpressionNode & { expression: "rank" }): Compiled {
  const of = compileOperand(block, node.of, "searchRank()")
  const parts = sides(block, of, typeof node.of === "string" ? node.of : "searchRank()", node.text, node.options)
  return { sql: `ts_rank(${parts.join(", ")})::double precision`, type: columnType("float", { nullable: of.type.nullable }) }
}
