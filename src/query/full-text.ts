import { SelectoError } from "../errors.ts"
import { condition, expression, isExpression, test } from "./node.ts"
import type { Matches, SearchOptions, SearchRank } from "./types/search.ts"

function searched(of: unknown, text: unknown, where: string): string {
  if ((typeof of === "string" || isExpression(of)) && typeof text === "string") return text
  throw new SelectoError("E_UNSUPPORTED_INPUT", `${where} takes a path and a text to search for.`, { path: where })
}

/**
 * Full-text search, `fulltext @@ websearch_to_tsquery($1)`: matches("fulltext", "\"old town\" -road"), or as a test
 * { fulltext: matches("road") }. Read as people write into a search box, which no text can break; `mode` says otherwise. Text
 * columns are made documents on the fly.
 */
export const matches: Matches = ((...args: readonly unknown[]) => {
  if (args.length === 1) return test({ test: "search", text: searched("", args[0], "matches()"), options: {} })
  const [left, text, options] = args
  const node = { test: "search", text: searched(left, text, "matches()"), options: (options ?? {}) as SearchOptions } as const
  return condition({ condition: "test", left: left as string, test: node })
}) as unknown as Matches

/** `ts_rank(fulltext, websearch_to_tsquery($1))`, for orderBy(desc(searchRank("fulltext", "road"))). */
export const searchRank: SearchRank = ((of: unknown, text: unknown, options: SearchOptions = {}) =>
  expression({ expression: "rank", of, text: searched(of, text, "searchRank()"), options })) as unknown as SearchRank
