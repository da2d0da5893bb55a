import { childrenOf, type Expression } from "../../sql/index.ts"
import { constantOf, domainOf, parseValue, type TypeInfo, typeIds } from "../../sql/typing/index.ts"
import { bucketOf } from "./time-bucket.ts"
import { refines } from "./time-unit.ts"
import type { World } from "./world.ts"

/**
 * What the value of an expression depends on beside its columns. What a view keeps was computed in another session: only "nothing" may be
 * taken from it, and "time zone" where both sessions have the same.
 */
export type Dependence =
  | { readonly on: "nothing" }
  | { readonly on: "time zone" }
  /** Settings, role, clock, or chance; or a function that nobody vouches for. */
  | { readonly on: "session"; readonly reason: string }

const nothing: Dependence = { on: "nothing" }
const timeZone: Dependence = { on: "time zone" }

/** Which functions outside pg_catalog are as immutable as they say. */
export type Trust = (schema: string, name: string) => boolean

export function dependenceOf(expression: Expression, world: World, trust: Trust): Dependence {
  const own = ownDependence(expression, world, trust)
  if (own.on === "session") return own
  // A date cut by date_trunc is the same bucket in every zone; how it is kept is dealt with where it is read.
  const bucket = bucketOf(expression, world)
  if (bucket?.calendar === "date" && refines("day", bucket.unit)) return dependenceOf(bucket.subject, world, trust)
  // With a zone of its own date_trunc was called stable before PostgreSQL 17 too, and depends on nothing all the same.
  if (bucket?.calendar === "zone" && bucket.zone !== null) return dependenceOf(bucket.subject, world, trust)
  let worst = own
  for (const child of childrenOf(expression)) {
    const inner = dependenceOf(child, world, trust)
    if (inner.on === "session") return inner
    if (inner.on === "time zone") worst = inner
  }
  return worst
}

function session(reason: string): Dependence {
  return { on: "session", reason }
}

function ownDependence(expression: Expression, world: World, trust: Trust): Dependence {
  switch (expression.kind) {
    case "call": {
      const { chosen, args } = world.typing.functionOf(expression)
      if (chosen.volatility === "volatile") return session(`${chosen.name}() is volatile`)
      if (chosen.schema !== "pg_catalog" && !trust(chosen.schema, chosen.name))
        return session(`${chosen.schema}.${chosen.name}() is not PostgreSQL's own, and nothing vouches for it`)
      if (chosen.volatility === "immutable") return nothing
      if (textFunctions.has(chosen.name) && args.every(hasPlainText)) return nothing
      const zoned = zoneFunctions.has(chosen.name) && args.some((arg) => arg.id === typeIds.timestamptz)
      return zoned ? timeZone : session(`${chosen.name}() depends on the session`)
    }
    case "operator": {
      const { chosen, args } = world.typing.operatorOf(expression)
      if (chosen.volatility === "volatile") return session(`the operator ${chosen.name} is volatile`)
      if (chosen.schema !== "pg_catalog" && !trust(chosen.schema, chosen.name))
        return session(`the operator ${chosen.schema}.${chosen.name} is not PostgreSQL's own, and nothing vouches for it`)
      if (chosen.volatility === "immutable" || (chosen.name === "||" && args.every(hasPlainText))) return nothing
      return args.some((arg) => arg.id === typeIds.timestamptz)
        ? timeZone
        : session(`the operator ${chosen.name} depends on the session`)
    }
    case "cast":
      return castDependence(expression, world)
    case "value":
      return session(`${expression.name} depends on the session`)
    case "parameter":
      return session("a parameter")
    default:
      return nothing
  }
}

const zoneFunctions: ReadonlySet<string> = new Set([
  "date_trunc",
  "extract",
  "date_part",
  "date",
  "timestamp",
  "time",
  "timestamptz",
])

/** Functions that are only stable because the text of some types depends on settings. */
const textFunctions: ReadonlySet<string> = new Set(
  "concat concat_ws format to_json to_jsonb json_build_array json_build_object jsonb_build_array jsonb_build_object quote_literal quote_nullable".split(
    " ",
  ),
)

/** Types whose text does not depend on a setting. */
const plainTexts: ReadonlySet<number> = new Set([
  typeIds.boolean,
  typeIds.smallint,
  typeIds.integer,
  typeIds.bigint,
  typeIds.numeric,
  typeIds.text,
  typeIds.varchar,
  typeIds.bpchar,
  typeIds.name,
  typeIds.uuid,
])

function hasPlainText(type: TypeInfo): boolean {
  return plainTexts.has(type.id) || type.kind === "enum"
}

function castDependence(cast: Extract<Expression, { kind: "cast" }>, world: World): Dependence {
  const { catalog } = world.typing
  const constant = constantOf(cast, catalog)
  if (constant !== null) {
    if (constant.text === null) return nothing
    const { info } = constant.type
    const time = ["time", "zoned time"].includes(domainOf(info)?.domain ?? "")
    if (!time) return nothing
    return parseValue(info, constant.text) === null ? session("a time is written in a form that settings decide") : nothing
  }
  const source = world.typing.typeOf(cast.operand).info
  const target = world.typing.typeOf(cast).info
  if (source.id === target.id) return nothing
  const known = catalog.cast(source.id, target.id)
  if (known !== null && known.method !== "text") {
    if (known.volatility === "immutable") return nothing
    const zoned = [source.id, target.id].includes(typeIds.timestamptz)
    return zoned ? timeZone : session(`the cast from ${source.text} to ${target.text} depends on the session`)
  }
  const plain = hasPlainText(source) && hasPlainText(target)
  return plain ? nothing : session(`the cast from ${source.text} to ${target.text} depends on the session`)
}
