import { SelectoError } from "../errors.ts"

/** PostgreSQL keeps this many bytes of a name and silently cuts the rest (NAMEDATALEN - 1). */
export const maxIdentifierBytes = 63

/**
 * Keywords that are not free to use bare in every place: `pg_get_keywords()` of PostgreSQL 18 without category U,
 * the same words that the server's own `quote_ident` quotes.
 */
const keywords: ReadonlySet<string> = new Set(
  (
    "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char " +
    "character check coalesce collate collation column concurrently constraint create cross current_catalog current_date " +
    "current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do " +
    "else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in " +
    "initially inner inout int integer intersect interval into is isnull join json json_array json_arrayagg json_exists " +
    "json_object json_objectagg json_query json_scalar json_serialize json_table json_value lateral leading least left like " +
    "limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric offset " +
    "on only or order out outer overlaps overlay placing position precision primary real references returning right row select " +
    "session_user setof similar smallint some substring symmetric system_user table tablesample then time timestamp to trailing " +
    "treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat " +
    "xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable"
  ).split(" "),
)

const simpleName = /^[a-z_][a-z0-9_]*$/

/**
 * A name as it must stand in SQL: bare when it is a lower-case word and no keyword, else in double quotes.
 * Throws E_INVALID_IDENTIFIER for an empty name, a NUL, a lone surrogate, or more than 63 bytes (the server would cut it).
 *
 * @example quoteIdentifier("total")  // total
 * @example quoteIdentifier("Order")  // "Order"
 */
export function quoteIdentifier(name: string): string {
  const known = quoted.get(name)
  if (known !== undefined) return known
  const written = quote(name)
  // A program has few names and asks for them again and again; one that makes them up does not fill the memory.
  if (quoted.size >= 1000) quoted.clear()
  quoted.set(name, written)
  return written
}

const quoted = new Map<string, string>()

function quote(name: string): string {
  if (typeof name === "string" && name.length <= maxIdentifierBytes && simpleName.test(name)) {
    return keywords.has(name) ? `"${name}"` : name
  }
  checkIdentifier(name)
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * Names joined by dots, each quoted where needed; null and undefined parts are left out, so that a schema may be missing.
 *
 * @example quoteQualified("public", "Order")  // public."Order"
 * @example quoteQualified(null, "orders")     // orders
 */
export function quoteQualified(...parts: readonly (string | null | undefined)[]): string {
  const names = parts.filter((part): part is string => part !== null && part !== undefined)
  if (names.length === 0) throw new SelectoError("E_INVALID_IDENTIFIER", "A qualified name needs at least one part.")
  return names.map(quoteIdentifier).join(".")
}

/**
 * A string as an SQL literal, safe whatever `standard_conforming_strings` says. For DDL and SET, where the server takes no
 * parameters; values of queries are bound, never quoted. Throws E_INVALID_IDENTIFIER for a NUL or a lone surrogate.
 *
 * @example quoteLiteral("it's")  // 'it''s'
 */
export function quoteLiteral(value: string): string {
  if (typeof value !== "string") throw new SelectoError("E_INVALID_IDENTIFIER", "A literal must be a string.")
  if (value.includes("\0"))
    throw new SelectoError("E_INVALID_IDENTIFIER", "PostgreSQL text cannot hold a NUL character; remove it.")
  if (hasLoneSurrogate(value))
    throw new SelectoError("E_INVALID_IDENTIFIER", "The text holds half a surrogate pair and has no UTF-8 form.")
  const quoted = `'${value.replaceAll("'", "''")}'`
  return value.includes("\\") ? ` E${quoted.replaceAll("\\", "\\\\")}` : quoted
}

/** Throws E_INVALID_IDENTIFIER unless PostgreSQL can hold this name unchanged. */
export function checkIdentifier(name: string): void {
  if (typeof name !== "string" || name === "")
    throw new SelectoError("E_INVALID_IDENTIFIER", "A name must be a non-empty string.")
  if (name.includes("\0")) throw new SelectoError("E_INVALID_IDENTIFIER", "A name cannot hold a NUL character; remove it.")
  if (hasLoneSurrogate(name))
    throw new SelectoError("E_INVALID_IDENTIFIER", "The name holds half a surrogate pair and has no UTF-8 form.")
  if (Buffer.byteLength(name) > maxIdentifierBytes) {
    throw new SelectoError(
      "E_INVALID_IDENTIFIER",
      `The name "${cutIdentifier(name, 40)}…" is longer than ${maxIdentifierBytes} bytes and PostgreSQL would cut it; use a shorter one.`,
    )
  }
}

/** The longest prefix of whole characters that fits `bytes` bytes of UTF-8 (default 63), as the server itself cuts names. */
export function cutIdentifier(name: string, bytes: number = maxIdentifierBytes): string {
  if (Buffer.byteLength(name) <= bytes) return name
  let used = 0
  let cut = ""
  for (const character of name) {
    used += Buffer.byteLength(character)
    if (used > bytes) break
    cut += character
  }
  return cut
}

/** True where a bare lower-case name would be read as a keyword, so that it must be quoted. */
export function isKeyword(name: string): boolean {
  return keywords.has(name)
}

function hasLoneSurrogate(text: string): boolean {
  return /[\uD800-\uDFFF]/u.test(text)
}
