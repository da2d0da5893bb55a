import type { TypeCatalog, TypeInfo } from "./type-catalog.ts"

/** A type with its modifier, such as numeric(10,2). */
export interface TypeRef {
  readonly info: TypeInfo
  /** "(10,2)", "(20)", "day to second"; null where there is none. */
  readonly modifier: string | null
}

/** Words of the grammar that pg_type knows by another name. */
const words: Readonly<Record<string, string>> = {
  int: "int4",
  integer: "int4",
  smallint: "int2",
  bigint: "int8",
  real: "float4",
  float: "float8",
  "double precision": "float8",
  boolean: "bool",
  decimal: "numeric",
  dec: "numeric",
  "character varying": "varchar",
  "char varying": "varchar",
  character: "bpchar",
  char: "bpchar",
  "timestamp with time zone": "timestamptz",
  "timestamp without time zone": "timestamp",
  "time with time zone": "timetz",
  "time without time zone": "time",
  "bit varying": "varbit",
}

/** The type that a text names, as it stands in a cast or as format_type writes it; null when there is none. */
export function parseTypeName(text: string, catalog: TypeCatalog): TypeRef | null {
  let rest = text.trim()
  const arrays = /(\[\d*\])+$/.exec(rest)
  if (arrays !== null) rest = rest.slice(0, arrays.index).trim()
  let modifier: string | null = null
  const quoted = rest.includes('"')
  const modified = quoted ? null : /\(([^()]*)\)/.exec(rest)
  if (modified !== null) {
    modifier = `(${modified[1]!.replace(/\s+/g, "")})`
    rest = `${rest.slice(0, modified.index).trim()} ${rest.slice(modified.index + modified[0].length).trim()}`.trim()
  }
  const interval = /^interval\s+(.+)$/i.exec(rest)
  if (interval !== null) {
    modifier = interval[1]!.toLowerCase() + (modifier ?? "")
    rest = "interval"
  }
  const info = quoted ? quotedType(rest, catalog) : plainType(rest, catalog)
  if (info === null) return null
  if (arrays === null) return { info, modifier: defaultModifier(info, rest, modifier) }
  const array = info.array === null ? null : catalog.typeById(info.array)
  return array === null ? null : { info: array, modifier }
}

/** Bare CHAR is CHAR(1); bpchar written as such has no length. */
function defaultModifier(info: TypeInfo, name: string, modifier: string | null): string | null {
  return modifier === null && info.name === "bpchar" && /^char(acter)?$/i.test(name) ? "(1)" : modifier
}

function plainType(name: string, catalog: TypeCatalog): TypeInfo | null {
  const folded = name.toLowerCase().replace(/\s+/g, " ")
  const known = words[folded]
  if (known !== undefined) return catalog.typeByName("pg_catalog", known)
  const parts = folded.split(".")
  return parts.length === 1 ? catalog.typeByName(null, parts[0]!) : catalog.typeByName(parts.at(-2)!, parts.at(-1)!)
}

function quotedType(name: string, catalog: TypeCatalog): TypeInfo | null {
  const parts = [...name.matchAll(/"((?:[^"]|"")*)"|([^".]+)/g)].map((match) => match[1]?.replaceAll('""', '"') ?? match[2]!)
  return catalog.typeByName(parts.length > 1 ? parts.at(-2)! : null, parts.at(-1)!)
}

/** A type as SQL: "numeric(10,2)", "timestamp(3) without time zone". */
export function typeName(type: TypeRef): string {
  const { info, modifier } = type
  if (modifier === null) return info.text
  const [, base, array] = /^(.*?)((?:\[\])*)$/.exec(info.text)!
  if (!modifier.startsWith("(")) return `${base} ${modifier}${array}`
  const zoned = /^(time(?:stamp)?) (with(?:out)? time zone)$/.exec(base!)
  return zoned === null ? `${base}${modifier}${array}` : `${zoned[1]}${modifier} ${zoned[2]}${array}`
}

/** Same type and same modifier. */
export function sameType(a: TypeRef, b: TypeRef): boolean {
  return a.info.id === b.info.id && a.modifier === b.modifier
}
