import { isSelectoError } from "../errors.ts"
import { fingerprint, loadSql, splitStatements } from "../sql/index.ts"
import type { WorkloadStatement } from "./workload.ts"

/**
 * The workload of an SQL file: each statement once, equal ones (by fingerprint) counted. psql's backslash commands are left out. A
 * statement that does not parse stays in the list, so that the advice can say why it was not looked at.
 */
export async function sqlWorkload(text: string): Promise<WorkloadStatement[]> {
  await loadSql()
  const sql = text.replace(/^\\.*$/gm, "")
  let texts: string[]
  try {
    texts = (await splitStatements(sql)).map((statement) => statement.text)
  } catch (error) {
    if (!isSelectoError(error)) throw error
    // One bad statement must not hide the others.
    texts = splitRoughly(sql)
  }
  return grouped(texts.map((statement) => ({ text: statement })))
}

/** Equal statements made one, their calls added; the first one's values stay. */
export async function grouped(statements: readonly WorkloadStatement[]): Promise<WorkloadStatement[]> {
  const found = new Map<string, WorkloadStatement>()
  for (const statement of statements) {
    let key: string
    try {
      key = await fingerprint(statement.text)
    } catch (error) {
      if (!isSelectoError(error)) throw error
      key = statement.text
    }
    const known = found.get(key)
    const calls = (known?.calls ?? 0) + (statement.calls ?? 1)
    found.set(key, known === undefined ? { ...statement, calls } : { ...known, calls })
  }
  return [...found.values()]
}

/** Splits at semicolons outside of quotes, comments and dollar quotes: for texts that the grammar does not accept whole. */
export function splitRoughly(text: string): string[] {
  const pieces: string[] = []
  const token = /'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\/|;/g
  let start = 0
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (match[0] !== ";") continue
    pieces.push(text.slice(start, match.index))
    start = match.index + 1
  }
  pieces.push(text.slice(start))
  return pieces.map((piece) => piece.trim()).filter((piece) => piece.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, "").trim() !== "")
}
