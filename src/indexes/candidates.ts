import type { OrderKey, Restriction, TableAccess } from "./access.ts"
import { type CatalogTable, columnOf, type IndexCatalog } from "./catalog.ts"
import { type Candidate, candidateOf, type Draft, type DraftKey, keyOf } from "./draft.ts"
import { specialDrafts } from "./special-candidates.ts"

export interface CandidateOptions {
  /** Most key columns of a btree. */
  readonly maxWidth: number
}

/** Most columns that an index carries only to be covering. */
const maxIncluded = 6
const maxCoveredBytes = 16
const maxCoveredShare = 0.6
/** A partial index is worth its narrowness when at most this share of the rows is in it. */
const rareShare = 0.3

/** Every index that may help this access, without asking whether it exists or pays. */
export function candidatesFor(access: TableAccess, catalog: IndexCatalog, options: CandidateOptions): Candidate[] {
  const drafts: Draft[] = []
  const add = (draft: Draft): void => {
    if (draft.keys.length > 0) drafts.push(draft)
  }
  btreeDrafts(access, access.restrictions, catalog, options, add)
  for (const arms of access.alternatives) {
    for (const arm of arms) {
      const rest = access.restrictions.filter((restriction) => isEquality(restriction) && !restriction.join)
      const orArm = (draft: Draft): void => add({ ...draft, patterns: unique([...draft.patterns, "or_arms"]) })
      btreeDrafts({ ...access, order: [], group: [], extremes: [] }, arm, catalog, options, orArm)
      if (rest.length > 0)
        btreeDrafts({ ...access, order: [], group: [], extremes: [] }, [...rest, ...arm], catalog, options, orArm)
      for (const draft of specialDrafts({ ...access, restrictions: arm }, catalog)) orArm(draft)
    }
  }
  for (const draft of specialDrafts(access, catalog)) add(draft)
  const seen = new Map<string, Candidate>()
  for (const draft of drafts) {
    const candidate = candidateOf(draft)
    const known = seen.get(candidate.id)
    seen.set(candidate.id, known === undefined ? candidate : { ...known, draft: joined(known.draft, draft) })
  }
  return [...seen.values()]
}

/** Two drafts of the same index: what either serves. */
export function joined(one: Draft, other: Draft): Draft {
  return { ...one, patterns: unique([...one.patterns, ...other.patterns]), clauses: unique([...one.clauses, ...other.clauses]) }
}

/** Comparisons after which the keys that follow stay in order, or nearly: `=` and its like. */
export function isEquality(restriction: Restriction): boolean {
  return ["=", "in", "is null", "true", "false", "is true", "is false"].includes(restriction.operator)
}

function isRange(restriction: Restriction): boolean {
  return ["<", "<=", ">", ">="].includes(restriction.operator)
}

/** The beginning that a LIKE pattern, a starts_with or an anchored regular expression fixes; null where it fixes none. */
export function prefixOf(restriction: Restriction): string | null {
  const { operator, constant } = restriction
  if (constant === null) return null
  if (operator === "^@") return constant === "" ? null : constant
  if (operator === "~~") {
    const prefix = /^(?:[^%_\\]|\\.)*/.exec(constant)?.[0] ?? ""
    return prefix === "" ? null : prefix
  }
  if (operator === "~") return /^\^[\w -]+/.exec(constant)?.[0]?.slice(1) ?? null
  return null
}

type Add = (draft: Draft) => void

function btreeDrafts(
  access: TableAccess,
  restrictions: readonly Restriction[],
  catalog: IndexCatalog,
  options: CandidateOptions,
  add: Add,
): void {
  const { table } = access
  const usable = restrictions.filter((restriction) => isBtreeType(table, restriction))
  const equalities = distinctKeys(
    usable.filter((restriction) => isEquality(restriction) && !restriction.join && !isBoolean(restriction)),
  ).sort((a, b) => a.selectivity - b.selectivity)
  const joins = distinctKeys(usable.filter((restriction) => isEquality(restriction) && restriction.join))
  const ranges = distinctKeys(usable.filter((restriction) => isRange(restriction) && restriction.row.length === 0))
  const prefixes = usable.filter((restriction) => prefixOf(restriction) !== null)
  const keysets = usable.filter((restriction) => isRange(restriction) && restriction.row.length > 0)
  const order = normalised(access.order)
  const emit = (keys: readonly DraftKey[], used: readonly Restriction[], extra: readonly string[]): void => {
    const kept = distinctTexts(keys).slice(0, options.maxWidth)
    if (kept.length === 0) return
    const serves = used.filter((restriction) =>
      kept.some((key) => key.text === restriction.text || restriction.row.includes(key.text)),
    )
    const draft: Draft = {
      table,
      method: "btree",
      keys: kept,
      include: [],
      where: null,
      patterns: patternsOf(serves, extra),
      clauses: clausesOf(serves, extra, access),
    }
    add(draft)
    const included = includable(access, kept)
    if (included !== null && included.length > 0)
      add({ ...draft, include: included, patterns: unique([...draft.patterns, "covering"]) })
  }
  const key = (restriction: Restriction): DraftKey => keyOf(restriction.text, restriction.column)
  const prefixKey = (restriction: Restriction): DraftKey => ({
    ...key(restriction),
    opclass: patternClass(table, restriction, catalog),
  })

  const sets = equalitySets(equalities, options.maxWidth)
  for (const set of sets) {
    const keys = set.map(key)
    emit(keys, set, [])
    for (const range of ranges) {
      emit([...keys, key(range)], [...set, range], [])
      if (order.length > 0) emit([...keys, ...order, key(range)], [...set, range], orderPattern(access))
    }
    for (const prefix of prefixes) emit([...keys, prefixKey(prefix)], [...set, prefix], ["like_prefix"])
    for (const keyset of keysets)
      emit([...keys, ...keysetKeys(keyset, order)], [...set, keyset], ["keyset", ...orderPattern(access)])
    if (order.length > 0) emit([...keys, ...order], set, orderPattern(access))
    if (access.group.length > 0) emit([...keys, ...access.group.map(orderKey)], set, ["group_by"])
    for (const extreme of access.extremes) emit([...keys, orderKey(extreme)], set, ["min_max"])
    for (const join of joins) {
      emit([key(join), ...keys], [join, ...set], ["join"])
      emit([...keys, key(join)], [join, ...set], ["join"])
      for (const range of ranges) emit([key(join), ...keys, key(range)], [join, ...set, range], ["join"])
    }
  }
  for (const range of ranges) {
    emit([key(range)], [range], [])
    for (const other of ranges) if (other !== range) emit([key(range), key(other)], [range, other], [])
    for (const equality of equalities.slice(0, 2)) emit([key(range), key(equality)], [range, equality], [])
    for (const join of joins) emit([key(join), key(range)], [join, range], ["join"])
  }
  for (const prefix of prefixes) emit([prefixKey(prefix)], [prefix], ["like_prefix"])
  for (const keyset of keysets) emit(keysetKeys(keyset, order), [keyset], ["keyset", ...orderPattern(access)])
  for (const join of joins) {
    emit([key(join)], [join], ["join"])
    if (order.length > 0) emit([key(join), ...order], [join], ["join", ...orderPattern(access)])
    for (const extreme of access.extremes) emit([key(join), orderKey(extreme)], [join], ["join", "min_max"])
  }
  if (joins.length > 1) emit(joins.map(key), joins, ["join"])
  if (order.length > 0) emit(order, [], orderPattern(access))
  if (access.group.length > 0) emit(access.group.map(orderKey), [], ["group_by"])
  for (const extreme of access.extremes) emit([orderKey(extreme)], [], ["min_max"])
  partialDrafts(access, restrictions, { equalities, joins, ranges, prefixes, order }, emit, add, prefixKey)
}

/** Equality columns together, the most selective first; each alone; and, of two or three, the other orders, so that queries can share. */
function equalitySets(equalities: readonly Restriction[], maxWidth: number): Restriction[][] {
  const best = equalities.slice(0, maxWidth)
  const sets: Restriction[][] = []
  if (best.length > 1) sets.push([...best])
  if (best.length === 2) sets.push([best[1]!, best[0]!])
  if (best.length > 2) {
    for (let lead = 1; lead < best.length; lead++) sets.push([best[lead]!, ...best.filter((_entry, at) => at !== lead)])
    sets.push(best.slice(0, 2), [best[1]!, best[0]!])
  }
  for (const equality of equalities) sets.push([equality])
  return sets
}

interface Parts {
  readonly equalities: readonly Restriction[]
  readonly joins: readonly Restriction[]
  readonly ranges: readonly Restriction[]
  readonly prefixes: readonly Restriction[]
  readonly order: readonly DraftKey[]
}

/** Predicates that hold for few rows and are written with constants: the index holds those rows only. */
function partialDrafts(
  access: TableAccess,
  restrictions: readonly Restriction[],
  parts: Parts,
  _emit: unknown,
  add: Add,
  prefixKey: (restriction: Restriction) => DraftKey,
): void {
  for (const restriction of restrictions) {
    const where = predicateOf(restriction)
    if (where === null || restriction.selectivity > rareShare || !estimated(access.table, restriction)) continue
    const others = parts.equalities.filter((other) => other.text !== restriction.text)
    const key = (other: Restriction): DraftKey => keyOf(other.text, other.column)
    const lists: DraftKey[][] = []
    if (others.length > 0) lists.push(others.slice(0, 2).map(key))
    for (const range of parts.ranges) lists.push([...others.slice(0, 2).map(key), key(range)])
    for (const join of parts.joins) lists.push([key(join)])
    for (const prefix of parts.prefixes) lists.push([prefixKey(prefix)])
    if (parts.order.length > 0) lists.push([...others.slice(0, 2).map(key), ...parts.order])
    // Nothing else to look for: the predicate's own column is the key. A constant that is the whole search is better a key alone.
    if (lists.length === 0 && restriction.operator !== "=") lists.push([key(restriction)])
    for (const keys of lists) {
      const kept = distinctTexts(keys.filter((entry) => entry.text !== restriction.text || lists.length === 1))
      if (kept.length === 0) continue
      add({
        table: access.table,
        method: "btree",
        keys: kept,
        include: [],
        where,
        patterns: unique([
          ...patternsOf([restriction, ...others], parts.order.length > 0 ? orderPattern(access) : []),
          "partial",
        ]),
        clauses: clausesOf([restriction, ...others], parts.order.length > 0 ? orderPattern(access) : [], access),
      })
    }
  }
}

/** Values of a column with more than these are data, not categories that a design may name. */
const maxCategories = 100

/** Without statistics a rare side cannot be told from a common one; and only a category's constant belongs in a predicate. */
function estimated(table: CatalogTable, restriction: Restriction): boolean {
  const stats = restriction.column === null ? null : (columnOf(table, restriction.column)?.stats ?? null)
  return stats !== null && (restriction.operator !== "=" || stats.distinct <= maxCategories)
}

/** The restriction as the predicate of an index; null unless it is written with constants, or reads NULL or a boolean. */
export function predicateOf(restriction: Restriction): string | null {
  const { text, operator, value } = restriction
  if (restriction.join || restriction.column === null) return null
  if (operator === "is null") return `${text} IS NULL`
  if (operator === "is not null") return `${text} IS NOT NULL`
  if (operator === "true" || operator === "is true") return text
  if (operator === "false" || operator === "is false") return `NOT ${text}`
  if (operator === "=" && value.kind === "constant" && restriction.constant !== null && value.expression?.kind === "constant") {
    return `${text} = ${value.expression.type === "string" ? `'${restriction.constant.replaceAll("'", "''")}'` : restriction.constant}`
  }
  return null
}

/** Columns to INCLUDE so that the index alone answers; null when it cannot, or when they are too many or too wide. */
function includable(access: TableAccess, keys: readonly DraftKey[]): string[] | null {
  // An index-only scan needs the column itself, not the expression: it would have to be stored twice.
  if (access.columns === null || keys.some((key) => key.column === null)) return null
  const inKey = new Set(keys.flatMap((key) => (key.column === null ? [] : [key.column])))
  const rest = access.columns.filter((name) => !inKey.has(name))
  if (rest.length > maxIncluded) return null
  if (rest.some((name) => documents.has(columnOf(access.table, name)?.baseType ?? ""))) return null
  const widthOf = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (columnOf(access.table, name)?.stats?.width ?? 16), 0)
  const held = widthOf([...inKey, ...rest])
  const row = widthOf(access.table.columns.map((column) => column.name))
  // An index that holds most of its table is a second copy of it, to be written and cached twice.
  return held > Math.max(maxCoveredBytes, row * maxCoveredShare) || held === row ? null : rest
}

function isBoolean(restriction: Restriction): boolean {
  return ["true", "false", "is true", "is false"].includes(restriction.operator)
}

const documents: ReadonlySet<string> = new Set(["json", "jsonb", "xml", "tsvector", "bytea"])

const noBtree: ReadonlySet<string> = new Set([
  "json",
  "jsonb",
  "xml",
  "point",
  "box",
  "polygon",
  "circle",
  "path",
  "lseg",
  "line",
  "tsvector",
  "tsquery",
  "txid_snapshot",
])

function isBtreeType(table: CatalogTable, restriction: Restriction): boolean {
  const column = restriction.column === null ? null : columnOf(table, restriction.column)
  return column === null || !noBtree.has(column.baseType)
}

/** The operator class under which a prefix is a range: none is needed where collation compares bytes. */
function patternClass(table: CatalogTable, restriction: Restriction, catalog: IndexCatalog): string | null {
  const column = restriction.column === null ? null : columnOf(table, restriction.column)
  if (column?.byteOrder ?? catalog.byteOrder) return null
  if (column?.baseType === "bpchar") return "bpchar_pattern_ops"
  return column?.baseType === "varchar" ? "varchar_pattern_ops" : "text_pattern_ops"
}

/** A btree reads both ways: an ordering whose first key is descending is turned, so that equal needs look equal. */
export function normalised(order: readonly OrderKey[]): DraftKey[] {
  const turn = order[0]?.descending ?? false
  return order.map((key) => {
    const descending = turn ? !key.descending : key.descending
    const nullsFirst = turn ? !key.nullsFirst : key.nullsFirst
    return {
      text: key.text,
      column: key.column,
      opclass: null,
      descending,
      nulls: nullsFirst === descending ? null : nullsFirst ? "first" : "last",
    }
  })
}

function orderKey(key: OrderKey): DraftKey {
  return keyOf(key.text, key.column)
}

function keysetKeys(keyset: Restriction, order: readonly DraftKey[]): DraftKey[] {
  const texts = [keyset.text, ...keyset.row]
  const ordered = texts.every((text, at) => order[at]?.text === text)
  return ordered ? [...order] : texts.map((text) => keyOf(text, text.replaceAll('"', "")))
}

function orderPattern(access: TableAccess): string[] {
  return access.orderFor === null ? [] : [access.orderFor]
}

function distinctKeys(restrictions: readonly Restriction[]): Restriction[] {
  const seen = new Set<string>()
  return restrictions.filter((restriction) => {
    if (seen.has(restriction.text)) return false
    seen.add(restriction.text)
    return true
  })
}

function distinctTexts(keys: readonly DraftKey[]): DraftKey[] {
  const seen = new Set<string>()
  return keys.filter((key) => {
    if (seen.has(key.text)) return false
    seen.add(key.text)
    return true
  })
}

/** The seed's own names for what an index serves. */
function patternsOf(restrictions: readonly Restriction[], extra: readonly string[]): string[] {
  const patterns: string[] = []
  for (const restriction of restrictions) {
    if (restriction.join) patterns.push("join")
    else if (restriction.operator === "in") patterns.push("in_list")
    else if (isEquality(restriction)) patterns.push("equality_filter")
    else if (isRange(restriction)) patterns.push("range_filter")
    if (restriction.column === null) patterns.push("expression")
  }
  const filters = restrictions.filter((restriction) => !restriction.join).map((restriction) => restriction.text)
  if (new Set(filters).size > 1) patterns.push("multi_column_filter")
  return unique([...patterns, ...extra])
}

const operatorWords: Readonly<Record<string, string>> = {
  in: "IN (…)",
  "~~": "LIKE …",
  "~~*": "ILIKE …",
  true: "",
  false: "is false",
}

function clausesOf(restrictions: readonly Restriction[], extra: readonly string[], access: TableAccess): string[] {
  const clauses: string[] = []
  const filters = restrictions.filter((restriction) => !restriction.join).map(comparisonWords)
  if (filters.length > 0) clauses.push(`WHERE ${unique(filters).join(" AND ")}`)
  for (const join of restrictions.filter((restriction) => restriction.join)) clauses.push(`the join on ${join.text}`)
  if (extra.includes("order_by") || extra.includes("distinct_on")) {
    const words = access.order.map((key) => `${key.text}${key.descending ? " DESC" : ""}`).join(", ")
    clauses.push(
      extra.includes("distinct_on") ? `DISTINCT ON with ORDER BY ${words}` : `ORDER BY ${words}${access.limited ? " LIMIT" : ""}`,
    )
  }
  if (extra.includes("group_by")) clauses.push(`GROUP BY ${access.group.map((key) => key.text).join(", ")}`)
  if (extra.includes("min_max")) clauses.push(`min/max of ${access.extremes.map((key) => key.text).join(", ")}`)
  return clauses
}

/** A comparison without its value: values do not belong in a sentence that may be logged. */
export function comparisonWords(restriction: Restriction): string {
  const { operator, text } = restriction
  if (operator.startsWith("is ")) return `${text} ${operator.toUpperCase()}`
  const words = operatorWords[operator]
  if (words !== undefined) return words === "" ? text : `${text} ${words}`
  return `${text} ${operator} …`
}

export function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)]
}
