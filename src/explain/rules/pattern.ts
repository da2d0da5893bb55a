/** Operators that never use the order of an index: case is ignored, or the pattern must not match. */
const orderless = new Set(["~~*", "!~~", "!~~*", "~*", "!~", "!~*"])

/**
 * Whether no ordered index can narrow a pattern match: its beginning is not fixed, or the operator uses none.
 *
 * @param pattern - null where it is not known before the statement runs.
 * @param isList - the pattern is an array's text: `{%a,"b c%"}`.
 */
export function startsOpen(operator: string, pattern: string | null, isList: boolean): boolean {
  if (pattern === null) return false
  if (orderless.has(operator)) return true
  const patterns = isList ? elementsOf(pattern) : [pattern]
  return patterns.some((one) => (operator === "~~" ? /^[%_]/.test(one) : !hasFixedStart(one)))
}

/** A regular expression that is anchored and begins with a character that stands for itself. */
function hasFixedStart(pattern: string): boolean {
  return /^\^(?:\((?:\?:)?)*(?:[^\\.[\](){}^$*+?|]|\\[^A-Za-z0-9])(?![*?]|\{0)/.test(pattern)
}

/** The elements of an array written as text. */
function elementsOf(array: string): string[] {
  return [...array.replace(/^\{|\}$/g, "").matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/g)].map(
    ([whole, quoted]) => quoted?.replace(/\\(.)/g, "$1") ?? whole,
  )
}
