import type { Restriction, TableAccess } from "./access.ts"
import { comparisonWords, isEquality, prefixOf, unique } from "./candidates.ts"
import { type CatalogTable, columnOf, type IndexCatalog } from "./catalog.ts"
import { type Draft, type DraftKey, keyOf } from "./draft.ts"

/** Below this many blocks (8 MB) a BRIN index saves nothing worth having. */
const brinPages = 1000
/** Physical order good enough for block ranges to be told apart. */
const brinCorrelation = 0.9
/** Values wider than this make a btree large; a hash index keeps four bytes of each. */
const hashWidth = 32

/** Candidates of the other access methods: GIN, GiST, SP-GiST, BRIN, hash. */
export function specialDrafts(access: TableAccess, _catalog: IndexCatalog): Draft[] {
  const { table } = access
  const drafts: Draft[] = []
  const add = (
    method: Draft["method"],
    restriction: Restriction,
    opclass: string | null,
    pattern: string,
    more: readonly DraftKey[] = [],
  ): void => {
    drafts.push({
      table,
      method,
      keys: [...more, { ...keyOf(restriction.text, restriction.column), opclass }],
      include: [],
      where: null,
      patterns: unique([
        pattern,
        ...(restriction.column === null ? ["expression"] : []),
        ...(more.length > 0 ? ["equality_filter"] : []),
      ]),
      clauses: [`WHERE ${comparisonWords(restriction)}`],
    })
  }
  const scalars = access.restrictions.filter(
    (restriction) => isEquality(restriction) && !restriction.join && restriction.column !== null,
  )
  for (const restriction of access.restrictions) {
    const type = typeOf(table, restriction)
    const { operator } = restriction
    if (type === "jsonb" || (type === null && /->(?!>)/.test(restriction.text))) {
      if (operator === "@>" || operator === "@?" || operator === "@@") add("gin", restriction, "jsonb_path_ops", "containment")
      if (["@>", "@?", "@@", "?", "?|", "?&"].includes(operator)) add("gin", restriction, null, "containment")
    } else if (type === "tsvector" || (operator === "@@" && type !== "jsonb")) {
      // GiST could serve it too, but is lossy: its price does not show the rows that are fetched in vain.
      if (operator === "@@") add("gin", restriction, null, "full_text")
    } else if (type === "array") {
      if (["@>", "<@", "&&", "="].includes(operator)) add("gin", restriction, null, "containment")
    } else if (type === "range") {
      if (["&&", "@>", "<@", "-|-", "<<", ">>", "&<", "&>", "="].includes(operator)) {
        add("gist", restriction, null, "range_overlap")
        for (const scalar of scalars.slice(0, 1))
          add("gist", restriction, null, "range_overlap", [keyOf(scalar.text, scalar.column)])
        add("spgist", restriction, null, "range_overlap")
      }
    } else if (type === "geometry") {
      if (["&&", "@>", "<@", "~=", "<<", ">>", "<^", ">^", "<<|", "|>>"].includes(operator)) {
        add("gist", restriction, null, "spatial")
        add("spgist", restriction, null, "spatial")
      }
    } else if (type === "inet") {
      if (["<<=", "<<", ">>=", ">>", "&&"].includes(operator)) {
        add("spgist", restriction, null, "network")
        add("gist", restriction, "inet_ops", "network")
        add("btree", restriction, null, "network")
      }
    } else {
      const text = type === "text" || type === null
      if (
        text &&
        ["~~", "~~*", "~", "~*", "%", "<%", "%>"].includes(operator) &&
        (operator !== "~~" || prefixOf(restriction) === null)
      ) {
        if (searchable(restriction)) {
          add("gin", restriction, "gin_trgm_ops", "trigram")
        }
      }
      if (text && operator === "^@") add("spgist", restriction, null, "like_prefix")
      if (operator === "=" && !restriction.join && widthOf(table, restriction) > hashWidth)
        add("hash", restriction, null, "equality_filter")
    }
    if (["<", "<=", ">", ">=", "=", "in"].includes(operator) && restriction.column !== null && !restriction.join) {
      const correlation = columnOf(table, restriction.column)?.stats?.correlation ?? 0
      if (table.pages >= brinPages && Math.abs(correlation) >= brinCorrelation && type !== "range")
        add("brin", restriction, null, "physical_order")
    }
  }
  if (access.nearest !== null) {
    const { text, column } = access.nearest
    const type = column === null ? null : (columnOf(table, column)?.baseType ?? null)
    const base = {
      table,
      include: [],
      where: null,
      patterns: ["nearest_neighbour"],
      clauses: [`ORDER BY ${text} <-> …${access.limited ? " LIMIT" : ""}`],
    }
    const opclass = type === "text" || type === "varchar" ? "gist_trgm_ops" : null
    drafts.push({ ...base, method: "gist", keys: [{ ...keyOf(text, column), opclass }] })
    if (opclass === null) drafts.push({ ...base, method: "spgist", keys: [keyOf(text, column)] })
    for (const scalar of scalars.slice(0, 1)) {
      drafts.push({ ...base, method: "gist", keys: [keyOf(scalar.text, scalar.column), { ...keyOf(text, column), opclass }] })
    }
  }
  return drafts
}

/** A trigram index needs three characters in a row to look for. */
function searchable(restriction: Restriction): boolean {
  if (restriction.constant === null) return true
  return restriction.constant.split(/[%_]/).some((piece) => piece.length >= 3)
}

const geometric: ReadonlySet<string> = new Set(["point", "box", "polygon", "circle", "geometry", "geography"])

function typeOf(table: CatalogTable, restriction: Restriction): string | null {
  const column = restriction.column === null ? null : columnOf(table, restriction.column)
  if (column === null) return null
  if (column.category === "A") return "array"
  if (column.category === "R" || /range$/.test(column.baseType)) return "range"
  if (geometric.has(column.baseType)) return "geometry"
  if (column.baseType === "inet" || column.baseType === "cidr") return "inet"
  if (column.category === "S") return "text"
  return column.baseType
}

function widthOf(table: CatalogTable, restriction: Restriction): number {
  return restriction.column === null ? 0 : (columnOf(table, restriction.column)?.stats?.width ?? 0)
}
