import { SelectoError } from "../errors.ts"
import type { JoinMethod, ScanMethod } from "./catalogue.ts"
import type { Hint, HintInput, OrderSide, RowsCorrection } from "./hint.ts"
import { type IndexFact, namedIndexes } from "./index-catalog.ts"
import { findRelation, type HintRelation, mainRelation, type StatementNames } from "./relation.ts"
import type { SettingName } from "./setting.ts"

/** A hint whose names are relations of the statement, by alias. */
export type ResolvedHint = { readonly input: HintInput } & (
  | {
      readonly kind: "scan"
      readonly method: ScanMethod
      readonly forbid: boolean
      readonly relation: HintRelation
      readonly indexes: readonly IndexFact[]
      readonly matching: string | null
    }
  | { readonly kind: "join"; readonly method: JoinMethod; readonly forbid: boolean; readonly aliases: readonly string[] }
  | { readonly kind: "memoize"; readonly forbid: boolean; readonly aliases: readonly string[] }
  | { readonly kind: "order"; readonly list: readonly string[] | null; readonly tree: OrderSide | null }
  | { readonly kind: "rows"; readonly aliases: readonly string[]; readonly correction: RowsCorrection }
  | {
      readonly kind: "parallel"
      readonly relation: HintRelation
      readonly whole: boolean
      readonly workers: number
      readonly mode: "soft" | "hard"
    }
  | { readonly kind: "index_off"; readonly relation: HintRelation; readonly indexes: readonly IndexFact[] }
  | { readonly kind: "cte"; readonly forbid: boolean; readonly names: readonly string[] }
  | { readonly kind: "setting"; readonly setting: SettingName; readonly text: string }
)

/** True when resolving the hints needs the names of the statement. */
export function needsNames(hints: readonly Hint[]): boolean {
  return hints.some(({ kind }) => kind !== "setting")
}

/** True when resolving the hints needs the catalog's indexes. */
export function needsIndexes(hints: readonly Hint[]): boolean {
  return hints.some((hint) => (hint.kind === "scan" || hint.kind === "index_off") && hint.indexes.length > 0)
}

/** Gives the hint the statement's own names. Throws E_UNKNOWN_HINT_TABLE, E_AMBIGUOUS_HINT, E_UNKNOWN_INDEX. */
export function resolveHint(hint: Hint, names: StatementNames, facts: readonly IndexFact[]): ResolvedHint {
  const { input } = hint
  const label = input.name
  const alias = (table: string): string => findRelation(names, table, label).alias
  const aliases = (tables: readonly string[]): string[] => {
    const found = tables.map(alias)
    if (new Set(found).size < found.length)
      throw new SelectoError("E_INVALID_HINT", `The hint ${label} names the same table twice.`, { path: label })
    return found
  }
  const side = (order: OrderSide): OrderSide => (typeof order === "string" ? alias(order) : [side(order[0]), side(order[1])])
  switch (hint.kind) {
    case "setting":
      return hint
    case "scan": {
      const given = hint.table === null ? null : scanned(findRelation(names, hint.table, label), label)
      const indexes = namedIndexes(facts, hint.indexes, given?.alias ?? null, label)
      const relation = given ?? relationOfIndexes(names, indexes, label)
      return { kind: "scan", method: hint.method, forbid: hint.forbid, relation, indexes, matching: hint.matching, input }
    }
    case "index_off": {
      const relation = scanned(findRelation(names, hint.table, label), label)
      return { kind: "index_off", relation, indexes: namedIndexes(facts, hint.indexes, relation.alias, label), input }
    }
    case "join":
      return { kind: "join", method: hint.method, forbid: hint.forbid, aliases: aliases(hint.tables), input }
    case "memoize":
      return { kind: "memoize", forbid: hint.forbid, aliases: aliases(hint.tables), input }
    case "rows":
      return { kind: "rows", aliases: aliases(hint.tables), correction: hint.correction, input }
    case "order":
      return {
        kind: "order",
        list: hint.list === null ? null : aliases(hint.list),
        tree: hint.tree === null ? null : side(hint.tree),
        input,
      }
    case "parallel": {
      const relation = hint.table === null ? mainRelation(names, label) : scanned(findRelation(names, hint.table, label), label)
      return { kind: "parallel", relation, whole: hint.table === null, workers: hint.workers, mode: hint.mode, input }
    }
    case "cte":
      for (const name of hint.names)
        if (!names.ctes.includes(name))
          throw new SelectoError(
            "E_UNKNOWN_HINT_TABLE",
            `The hint ${label} names ${JSON.stringify(name)}, which is no WITH query of the statement.`,
            { path: name, suggestions: names.ctes.slice(0, 3) },
          )
      return { kind: "cte", forbid: hint.forbid, names: hint.names, input }
  }
}

function scanned(relation: HintRelation, label: string): HintRelation {
  if (relation.kind === "table") return relation
  throw new SelectoError(
    "E_INVALID_HINT",
    `The hint ${label} is about reading a table; ${JSON.stringify(relation.alias)} is a ${relation.kind === "cte" ? "WITH query" : relation.kind}. Name a table inside it.`,
    {
      path: relation.alias,
    },
  )
}

/** The one relation that has all the indexes. */
function relationOfIndexes(names: StatementNames, indexes: readonly IndexFact[], label: string): HintRelation {
  const shared = indexes.map(({ aliases }) => aliases).reduce((left, right) => left.filter((alias) => right.includes(alias)))
  if (shared.length === 0)
    throw new SelectoError("E_INVALID_HINT", `The hint ${label} names indexes of different tables: give one hint a table.`, {
      path: label,
    })
  if (new Set(shared).size > 1)
    throw new SelectoError(
      "E_AMBIGUOUS_HINT",
      `The hint ${label} names an index of a table that the statement reads as ${shared.map((alias) => JSON.stringify(alias)).join(" and ")}: use { table, indexes }.`,
      {
        path: label,
        suggestions: shared.slice(0, 3),
      },
    )
  return findRelation(names, shared[0]!, label)
}

/** What a hint is about, for finding repetitions and contradictions. */
function subject(hint: ResolvedHint): string {
  switch (hint.kind) {
    case "setting":
      return `setting ${hint.setting}`
    case "scan":
    case "parallel":
    case "index_off":
      return `${hint.kind} ${hint.relation.alias}`
    case "order":
      return "order"
    case "cte":
      return `cte ${[...hint.names].sort().join("\0")}`
    default:
      return `${hint.kind} ${[...hint.aliases].sort().join("\0")}`
  }
}

/**
 * Leaves out repetitions and joins index lists of the same table. Throws E_CONFLICTING_HINTS, naming both, for two that cannot
 * both be obeyed.
 */
export function settleHints(hints: readonly ResolvedHint[]): ResolvedHint[] {
  const kept: ResolvedHint[] = []
  for (const hint of hints) {
    const about = subject(hint)
    let settled: ResolvedHint | null = hint
    for (const [index, other] of kept.entries()) {
      if (settled === null) break
      const against = contradiction(other, hint, subject(other) === about)
      if (against === "conflict") throw conflicting(other, hint)
      if (against === "same") settled = null
      else if (against === "union" && other.kind === "scan" && hint.kind === "scan") {
        const union = [...other.indexes, ...hint.indexes.filter(({ name }) => !other.indexes.some((one) => one.name === name))]
        kept[index] = { ...other, indexes: union, input: { name: other.input.name, value: union.map(({ name }) => name) } }
        settled = null
      }
    }
    if (settled !== null) kept.push(settled)
  }
  forbiddenAltogether(kept)
  return kept
}

function contradiction(a: ResolvedHint, b: ResolvedHint, sameSubject: boolean): "conflict" | "same" | "union" | null {
  if (a.kind === "setting" && b.kind !== "setting") return switchedOff(b, a) ? "conflict" : null
  if (b.kind === "setting" && a.kind !== "setting") return switchedOff(a, b) ? "conflict" : null
  if (!sameSubject) return null
  if (a.kind === "scan" && b.kind === "scan") {
    if (a.forbid !== b.forbid)
      return (a.forbid ? methodsMeet(b.method, a.method) : methodsMeet(a.method, b.method)) ? "conflict" : null
    if (a.forbid) return a.method === b.method ? "same" : null
    if (a.method !== b.method) return "conflict"
    return a.matching === b.matching
      ? a.indexes.length > 0 && b.indexes.length > 0
        ? "union"
        : a.indexes.length === b.indexes.length
          ? "same"
          : "conflict"
      : "conflict"
  }
  if (a.kind === "join" && b.kind === "join") {
    if (a.forbid && b.forbid) return a.method === b.method ? "same" : null
    if (a.forbid !== b.forbid) return a.method === b.method ? "conflict" : null
    return a.method === b.method ? "same" : "conflict"
  }
  return JSON.stringify({ ...a, input: null }) === JSON.stringify({ ...b, input: null })
    ? "same"
    : a.kind === "index_off"
      ? null
      : "conflict"
}

/** Forbidding index scans forbids index-only scans too, not the other way round. */
function methodsMeet(demanded: ScanMethod, forbidden: ScanMethod): boolean {
  return demanded === forbidden || (demanded === "index_only" && forbidden === "index")
}

const switches: Readonly<Record<string, SettingName>> = {
  seq: "enable_seqscan",
  index: "enable_indexscan",
  index_only: "enable_indexonlyscan",
  bitmap: "enable_bitmapscan",
  tid: "enable_tidscan",
  nested_loop: "enable_nestloop",
  hash: "enable_hashjoin",
  merge: "enable_mergejoin",
}

function switchedOff(hint: ResolvedHint, setting: ResolvedHint): boolean {
  if (setting.kind !== "setting") return false
  if (hint.kind === "scan" || hint.kind === "join")
    return !hint.forbid && setting.text === "off" && switches[hint.method] === setting.setting
  if (hint.kind === "memoize") return !hint.forbid && setting.setting === "enable_memoize" && setting.text === "off"
  if (hint.kind === "parallel")
    return setting.setting === "max_parallel_workers_per_gather" && Number(setting.text) < hint.workers
  return false
}

/** All three ways of joining forbidden leaves none. */
function forbiddenAltogether(hints: readonly ResolvedHint[]): void {
  for (const hint of hints) {
    if (hint.kind !== "join" || !hint.forbid) continue
    const all = hints.filter((other) => other.kind === "join" && other.forbid && subject(other) === subject(hint))
    if (all.length === 3) throw conflicting(all[0]!, all[1]!, all[2])
  }
}

function conflicting(...hints: (ResolvedHint | undefined)[]): SelectoError {
  const told = hints.filter((hint) => hint !== undefined).map(({ input }) => `${input.name} ${JSON.stringify(input.value)}`)
  return new SelectoError(
    "E_CONFLICTING_HINTS",
    `The hints ${told.slice(0, -1).join(", ")} and ${told.at(-1)} contradict each other: keep one.`,
    {
      path: hints[0]!.input.name,
    },
  )
}
