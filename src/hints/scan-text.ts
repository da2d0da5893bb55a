/** A comment in SQL text, by offsets into the string. */
export interface SqlComment {
  readonly start: number
  readonly end: number
  readonly text: string
  /** A hint block: it begins with a plus sign. */
  readonly hint: boolean
}

/** The comments of an SQL text, those within strings, quoted names and dollar quotes left out; block comments nest. */
export function commentsOf(sql: string): SqlComment[] {
  const comments: SqlComment[] = []
  let at = 0
  while (at < sql.length) {
    const rest = sql[at]!
    if (rest === "-" && sql[at + 1] === "-") {
      const end = endOf(sql, "\n", at)
      comments.push({ start: at, end, text: sql.slice(at, end), hint: false })
      at = end
    } else if (rest === "/" && sql[at + 1] === "*") {
      const end = blockEnd(sql, at)
      comments.push({ start: at, end, text: sql.slice(at, end), hint: sql[at + 2] === "+" })
      at = end
    } else if (rest === "'")
      at = quoteEnd(sql, at, "'", /[eE]/.test(sql[at - 1] ?? "") && !/[\w$\u0080-\uffff]/.test(sql[at - 2] ?? ""))
    else if (rest === '"') at = quoteEnd(sql, at, '"', false)
    else if (rest === "$" && !/[\w$\u0080-\uffff]/.test(sql[at - 1] ?? "")) at = dollarEnd(sql, at)
    else at++
  }
  return comments
}

function endOf(sql: string, mark: string, from: number): number {
  const found = sql.indexOf(mark, from)
  return found < 0 ? sql.length : found
}

function blockEnd(sql: string, start: number): number {
  let depth = 0
  for (let at = start; at < sql.length; at++) {
    if (sql.startsWith("/*", at)) {
      depth++
      at++
    } else if (sql.startsWith("*/", at)) {
      at++
      if (--depth === 0) return at + 1
    }
  }
  return sql.length
}

function quoteEnd(sql: string, start: number, quote: string, escapes: boolean): number {
  for (let at = start + 1; at < sql.length; at++) {
    if (escapes && sql[at] === "\\") at++
    else if (sql[at] === quote && sql[at + 1] === quote) at++
    else if (sql[at] === quote) return at + 1
  }
  return sql.length
}

function dollarEnd(sql: string, start: number): number {
  const tag = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/.exec(sql.slice(start, start + 70))?.[0]
  if (tag === undefined) return start + 1
  const end = sql.indexOf(tag, start + tag.length)
  return end < 0 ? sql.length : end + tag.length
}
