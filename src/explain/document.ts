import { SelectoError } from "../errors.ts"

/** The server's structured output of one statement, as JSON gives it; the other formats are read into the same shape. */
export type PlanDocument = Readonly<Record<string, unknown>>

/** Input beyond these is refused with E_PLAN_TOO_LARGE: no plan of PostgreSQL's own comes near them. */
export const limits: { readonly characters: number; readonly lines: number; readonly nodes: number; readonly depth: number } = {
  characters: 67_108_864,
  lines: 300_000,
  nodes: 200_000,
  depth: 1000,
}

/** A number where the field holds one, also as text (some tools quote them); else null. */
export function numberOf(value: unknown): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null
  if (typeof value !== "string" || value.length > 40 || !/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*(ms|kB)?\s*$/i.test(value))
    return null
  const number = Number.parseFloat(value)
  return Number.isFinite(number) ? number : null
}

/** The text of a field, or null. */
export function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** A field of a record by its own name: never one inherited from Object.prototype. */
export function fieldOf(record: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/** Line and column, one-based, of an offset into text. */
export function placeOf(text: string, offset: number): { line: number; column: number } {
  let line = 1
  let start = 0
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) {
    line++
    start = at + 1
  }
  return { line, column: Math.max(1, offset - start + 1) }
}

/** The error for text that is not a plan. */
export function notAPlan(message: string, text: string, offset = 0, cause?: unknown): SelectoError {
  const place = placeOf(text, Math.min(Math.max(0, offset), text.length))
  return new SelectoError("E_PLAN_SYNTAX", `${message} (line ${place.line}, column ${place.column}).`, { ...place, cause })
}

export function tooLarge(message: string): SelectoError {
  return new SelectoError("E_PLAN_TOO_LARGE", message, { line: 1, column: 1 })
}
