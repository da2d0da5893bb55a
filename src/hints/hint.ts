import { SelectoError } from "../errors.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"
import { type HintEntry, hintCatalogue, type JoinMethod, type ScanMethod } from "./catalogue.ts"
import { privilegeNeeded, type SettingName, settingCatalogue, settingEntry, settingText } from "./setting.ts"

/** A hint as it was asked for: plain data, safe to keep in a query's state. */
export interface HintInput {
  readonly name: string
  readonly value: unknown
}

/** A side of a directed join order. */
export type OrderSide = string | readonly [OrderSide, OrderSide]

/** A checked hint. Tables are still the names that the user gave. */
export type Hint = HintBody & { readonly input: HintInput }

export type HintBody =
  | {
      readonly kind: "scan"
      readonly method: ScanMethod
      readonly forbid: boolean
      /** Null: the table of the index. */
      readonly table: string | null
      readonly indexes: readonly string[]
      readonly matching: string | null
    }
  | { readonly kind: "join"; readonly method: JoinMethod; readonly forbid: boolean; readonly tables: readonly string[] }
  | { readonly kind: "memoize"; readonly forbid: boolean; readonly tables: readonly string[] }
  | { readonly kind: "order"; readonly list: readonly string[] | null; readonly tree: OrderSide | null }
  | { readonly kind: "rows"; readonly tables: readonly string[]; readonly correction: RowsCorrection }
  | { readonly kind: "parallel"; readonly table: string | null; readonly workers: number; readonly mode: "soft" | "hard" }
  | { readonly kind: "index_off"; readonly table: string; readonly indexes: readonly string[] }
  | { readonly kind: "cte"; readonly forbid: boolean; readonly names: readonly string[] }
  | { readonly kind: "setting"; readonly setting: SettingName; readonly text: string }

export interface RowsCorrection {
  readonly how: "#" | "+" | "-" | "*"
  readonly by: number
}

/**
 * Checks `hint(name, value)` or `hint(spec)` and gives the hints it means (a list of tables is one hint a table).
 * Throws E_UNKNOWN_HINT, E_INVALID_HINT, E_HINT_PRIVILEGE.
 */
export function readHint(input: HintInput): Hint[] {
  const { name, value } = input
  if (typeof name !== "string") throw new SelectoError("E_UNKNOWN_HINT", "hint() takes a name and a value, or one object.")
  if (name === "set") return [readSetting(input, value)]
  if (settingEntry(name) !== null || privilegeNeeded(name) !== null) return [{ kind: "setting", ...setting(name, value), input }]
  const entry = Object.hasOwn(hintCatalogue, name) ? hintCatalogue[name as keyof typeof hintCatalogue] : null
  if (entry === null) throw unknown(name)
  return bodies(entry, name, value).map((body) => ({ ...body, input }))
}

/** The input of an object-form hint, named as the same hint would be in the short form. Throws E_UNKNOWN_HINT, E_INVALID_HINT. */
export function inputOfSpec(spec: unknown): HintInput {
  if (!isRecord(spec))
    throw new SelectoError(
      "E_UNKNOWN_HINT",
      'hint() takes a name and a value, or one object such as { scan: "seq", table: "orders" }.',
    )
  const forbid = spec.forbid === true ? "no_" : ""
  if ("scan" in spec) {
    if (!["seq", "index", "index_only", "bitmap", "tid"].includes(spec.scan as string))
      throw wrong("scan", 'one of "seq", "index", "index_only", "bitmap", "tid"')
    const plain = forbid !== "" || spec.scan === "seq" || spec.scan === "tid"
    if (plain && (spec.indexes !== undefined || spec.matching !== undefined))
      throw wrong("scan", "`indexes` and `matching` only with the methods index, index_only and bitmap")
    return {
      name: `${forbid}${spec.scan}_scan`,
      value: plain ? spec.table : { table: spec.table, indexes: spec.indexes, matching: spec.matching },
    }
  }
  if ("join" in spec) {
    const names: Record<string, string> = { nested_loop: "nested_loop", hash: "hash_join", merge: "merge_join" }
    const name = typeof spec.join === "string" && Object.hasOwn(names, spec.join) ? names[spec.join] : undefined
    if (name === undefined) throw wrong("join", 'one of "nested_loop", "hash", "merge"')
    return { name: forbid === "" ? name : `disable_${name}`, value: spec.tables }
  }
  if ("leading" in spec) return { name: "join_order", value: spec.direction === true ? { pair: spec.leading } : spec.leading }
  if ("memoize" in spec) return { name: `${forbid}memoize`, value: spec.memoize }
  if ("rows" in spec) return { name: "rows", value: { tables: spec.rows, correction: spec.correction } }
  if ("parallel" in spec)
    return { name: "parallel_workers", value: { table: spec.parallel, workers: spec.workers, mode: spec.mode } }
  if ("disableIndex" in spec) return { name: "disable_index", value: { table: spec.table, indexes: spec.disableIndex } }
  if ("materialize" in spec) return { name: forbid === "" ? "materialize_cte" : "inline_cte", value: spec.materialize }
  if ("set" in spec) return { name: String(spec.set), value: spec.value }
  throw unknown(Object.keys(spec)[0] ?? "")
}

function bodies(entry: HintEntry, name: string, value: unknown): HintBody[] {
  switch (entry.kind) {
    case "scan": {
      const { method, forbid } = entry
      if (entry.takes === "tables")
        return list(name, value, "a table or a list of tables").map((table) => ({
          kind: "scan",
          method,
          forbid,
          table,
          indexes: [],
          matching: null,
        }))
      if (method === "any_index" && !isRecord(value))
        return [
          {
            kind: "scan",
            method,
            forbid,
            table: null,
            indexes: list(name, value, "the name of an index, or a list of names"),
            matching: null,
          },
        ]
      return [{ kind: "scan", method, forbid, ...indexValue(name, value, method === "any_index") }]
    }
    case "join":
      return [{ kind: "join", method: entry.method, forbid: entry.forbid, tables: tablesOf(name, value) }]
    case "memoize":
      return [{ kind: "memoize", forbid: entry.forbid, tables: tablesOf(name, value) }]
    case "order":
      return [{ kind: "order", ...orderOf(name, value) }]
    case "rows": {
      if (!isRecord(value)) throw wrong(name, 'an object such as { tables: ["a", "b"], correction: "*10" }')
      return [{ kind: "rows", tables: tablesOf(name, value.tables), correction: correctionOf(name, value.correction) }]
    }
    case "parallel":
      return [parallelOf(name, value)]
    case "index_off": {
      const { table, indexes } = indexValue(name, value, true)
      return [{ kind: "index_off", table, indexes }]
    }
    case "cte":
      return [{ kind: "cte", forbid: entry.forbid, names: list(name, value, "the name of a WITH query, or a list of names") }]
  }
}

function readSetting(input: HintInput, value: unknown): Hint {
  if (!isRecord(value) || typeof value.name !== "string")
    throw wrong("set", 'an object such as { name: "work_mem", value: "256MB" }')
  return { kind: "setting", ...setting(value.name, value.value), input: { name: value.name, value: value.value ?? input.value } }
}

function setting(name: string, value: unknown): { setting: SettingName; text: string } {
  const privilege = privilegeNeeded(name)
  if (privilege !== null)
    throw new SelectoError("E_HINT_PRIVILEGE", `${name} cannot be set by a hint: ${privilege}.`, { path: name })
  if (settingEntry(name) === null) throw unknown(name)
  return { setting: name as SettingName, text: settingText(name as SettingName, value) }
}

function indexValue(name: string, value: unknown, named: boolean): { table: string; indexes: string[]; matching: string | null } {
  const expected = named
    ? '{ table, indexes }, such as { table: "orders", indexes: ["orders_pkey"] }'
    : "a table, or { table, indexes } or { table, matching }"
  const record = typeof value === "string" && !named ? { table: value } : value
  if (!isRecord(record)) throw wrong(name, expected)
  const { table, indexes, matching } = record
  if (typeof table !== "string" || (indexes !== undefined && matching !== undefined)) throw wrong(name, expected)
  if (named && indexes === undefined) throw wrong(name, expected)
  if (matching !== undefined && (typeof matching !== "string" || matching === "")) throw wrong(name, expected)
  return {
    table: safe(name, table),
    indexes: indexes === undefined ? [] : list(name, indexes, expected),
    matching: matching === undefined ? null : safe(name, matching as string),
  }
}

function tablesOf(name: string, value: unknown): string[] {
  const expected = "two or more different tables, as a list"
  if (!Array.isArray(value) || value.length < 2) throw wrong(name, expected)
  const tables = list(name, value, expected)
  if (new Set(tables).size < tables.length) throw wrong(name, expected)
  return tables
}

function orderOf(name: string, value: unknown): { list: string[] | null; tree: OrderSide | null } {
  const expected = 'a list of tables in their order, or nested pairs such as [["orders", "customers"], "items"]'
  const directed = isRecord(value) ? value.pair : value
  if (!isRecord(value) && Array.isArray(value) && value.every((item) => typeof item === "string"))
    return { list: tablesOf(name, value), tree: null }
  const names: string[] = []
  const side = (item: unknown): OrderSide => {
    if (typeof item === "string") {
      names.push(safe(name, item))
      return item
    }
    if (!Array.isArray(item) || item.length !== 2)
      throw wrong(name, `${expected}; every pair has exactly an outer and an inner side`)
    return [side(item[0]), side(item[1])]
  }
  const tree = side(directed)
  if (names.length < 2 || new Set(names).size < names.length) throw wrong(name, expected)
  return { list: null, tree }
}

function correctionOf(name: string, value: unknown): RowsCorrection {
  const match = typeof value === "string" ? /^([#+*-])(\d+(?:\.\d+)?)$/.exec(value) : null
  if (match === null) throw wrong(name, 'a correction such as "#100" (rows), "+10", "-10" or "*10"')
  return { how: match[1] as RowsCorrection["how"], by: Number(match[2]) }
}

function parallelOf(name: string, value: unknown): HintBody {
  const record = typeof value === "number" ? { workers: value } : value
  const expected = 'a whole number of workers from 0 to 1024, or { table, workers, mode } with the mode "soft" or "hard"'
  if (!isRecord(record)) throw wrong(name, expected)
  const { table, workers, mode = "hard" } = record
  if (typeof workers !== "number" || !Number.isInteger(workers) || workers < 0 || workers > 1024) throw wrong(name, expected)
  if (mode !== "soft" && mode !== "hard") throw wrong(name, expected)
  if (table !== undefined && typeof table !== "string") throw wrong(name, expected)
  return { kind: "parallel", table: table === undefined ? null : safe(name, table), workers, mode }
}

function list(name: string, value: unknown, expected: string): string[] {
  const items: unknown[] = Array.isArray(value) ? value : [value]
  if (items.length === 0) throw wrong(name, expected)
  return items.map((item) => {
    if (typeof item !== "string" || item === "") throw wrong(name, expected)
    return safe(name, item)
  })
}

/** Names end up in a comment: nothing that could end it, and nothing that no hint can be written with. */
function safe(name: string, text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/\*\/|\/\*|[\x00-\x1f\x7f]/.test(text))
    throw new SelectoError(
      "E_INVALID_HINT",
      `A name in the hint ${name} holds a comment delimiter or a control character, which no hint can carry.`,
      { path: name },
    )
  return text
}

function wrong(name: string, expected: string): SelectoError {
  return new SelectoError("E_INVALID_HINT", `The hint ${name} takes ${expected}.`, { path: name })
}

function unknown(name: string): SelectoError {
  const suggestions = suggestionsFor(name, [...Object.keys(hintCatalogue), ...Object.keys(settingCatalogue)])
  return new SelectoError("E_UNKNOWN_HINT", `${JSON.stringify(name)} is not a hint.${didYouMean(suggestions)}`, {
    path: name,
    suggestions,
  })
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
