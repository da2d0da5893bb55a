import { parseSqlSync } from "./parse.ts"
import { isNode, nodesOf } from "./tree.ts"

/**
 * A statement with every `$n` written as `write` says, by its number. The places are the grammar's: a `$1` in a string or a function
 * body stays. The parser must be loaded.
 */
export function replaceParameters(text: string, write: (number: number) => string): string {
  const places: { readonly at: number; readonly number: number }[] = []
  for (const node of nodesOf(parseSqlSync(text).stmts)) {
    const parameter = node.ParamRef
    if (isNode(parameter)) places.push({ at: Number(parameter.location ?? 0), number: Number(parameter.number ?? 0) })
  }
  if (places.length === 0) return text
  places.sort((a, b) => a.at - b.at)
  // Places are byte offsets.
  const bytes = Buffer.from(text)
  let written = ""
  let from = 0
  for (const { at, number } of places) {
    written += bytes.toString("utf8", from, at) + write(number)
    from = at + 1
    while (from < bytes.length && bytes[from]! >= 48 && bytes[from]! <= 57) from++
  }
  return written + bytes.toString("utf8", from)
}

/**
 * The statement with its parameters numbered anew without gaps, and the values that it still needs: PostgreSQL refuses a parameter
 * that no part of the text mentions.
 */
export function compactParameters(
  text: string,
  values: readonly unknown[],
): { readonly text: string; readonly values: unknown[] } {
  const numbers = new Map<number, number>()
  const compact = replaceParameters(text, (number) => {
    if (!numbers.has(number)) numbers.set(number, numbers.size + 1)
    return `$${numbers.get(number)}`
  })
  return { text: compact, values: [...numbers.keys()].map((number) => values[number - 1]) }
}
