import type { Expression, FunctionCall } from "../../sql/index.ts"
import { constantOf, makeConstant, type TypeInfo, typeIds } from "../../sql/typing/index.ts"
import { fieldFrom, refines, type TimeUnit, timeUnit } from "./time-unit.ts"
import { keyOf, type World } from "./world.ts"

/**
 * A time cut to a unit: `date_trunc('month', placed_at)`, `placed_at::date`. Buckets of one subject and one calendar form a lattice in
 * which the coarser can be had from the finer.
 */
export interface Bucket {
  readonly unit: TimeUnit
  /** What is cut: a timestamp, a date, or (with a zone) a timestamptz. */
  readonly subject: Expression
  readonly calendar: "timestamp" | "date" | "zone"
  /** The zone of the calendar "zone"; null for the session's. */
  readonly zone: string | null
  /** How the bucket is kept: a date_trunc over a date gives a timestamptz, local midnight in the session's zone. */
  readonly as: "date" | "timestamp" | "timestamptz"
}

/** The bucket that an expression is; null for everything else. */
export function bucketOf(expression: Expression, world: World): Bucket | null {
  if (expression.kind === "cast") return dayOf(expression, world)
  if (expression.kind !== "call" || !isPlainCall(expression, "date_trunc")) return null
  const unit = unitOf(expression.args[0], world)
  const subject = expression.args[1]
  if (unit === null || subject === undefined) return null
  const type = world.typing.typeOf(subject).info.id
  const inner = bucketOf(subject, world)
  if (expression.args.length === 3) {
    const zone = textOf(expression.args[2]!, world)
    if (zone === null || type !== typeIds.timestamptz) return null
    const same = inner !== null && inner.calendar === "zone" && inner.zone === zone && refines(inner.unit, unit)
    return { unit, subject: same ? inner.subject : subject, calendar: "zone", zone, as: "timestamptz" }
  }
  if (inner !== null && inner.zone === null && refines(inner.unit, unit) && inner.as !== "date") return { ...inner, unit }
  const date = dateUnder(subject, world)
  if (type === typeIds.timestamp)
    return date === null
      ? { unit, subject, calendar: "timestamp", zone: null, as: "timestamp" }
      : { unit, subject: date, calendar: "date", zone: null, as: "timestamp" }
  if (type !== typeIds.timestamptz) return null
  return date === null
    ? { unit, subject, calendar: "zone", zone: null, as: "timestamptz" }
    : { unit, subject: date, calendar: "date", zone: null, as: "timestamptz" }
}

/** The day of a timestamp, and a bucket of whole days kept as a date. */
function dayOf(expression: Extract<Expression, { kind: "cast" }>, world: World): Bucket | null {
  if (world.typing.typeOf(expression).info.id !== typeIds.date) return null
  const { operand } = expression
  const inner = bucketOf(operand, world)
  if (inner !== null && inner.calendar !== "zone" && refines("day", inner.unit)) return { ...inner, as: "date" }
  if (world.typing.typeOf(operand).info.id !== typeIds.timestamp) return null
  return { unit: "day", subject: operand, calendar: "timestamp", zone: null, as: "date" }
}

/** The date that a timestamp is the midnight of. */
function dateUnder(expression: Expression, world: World): Expression | null {
  if (expression.kind !== "cast") return null
  return world.typing.typeOf(expression.operand).info.id === typeIds.date ? expression.operand : null
}

function isPlainCall(call: FunctionCall, name: string): boolean {
  return call.name === name && call.schema === null && call.over === null && call.filter === null
}

function unitOf(expression: Expression | undefined, world: World): TimeUnit | null {
  const text = expression === undefined ? null : textOf(expression, world)
  return text === null ? null : timeUnit(text)
}

function textOf(expression: Expression, world: World): string | null {
  return constantOf(expression, world.typing.catalog)?.text ?? null
}

/** extract(field FROM subject) or date_part; null for everything else. */
export function fieldOf(expression: Expression, world: World): { readonly field: string; readonly subject: Expression } | null {
  if (expression.kind !== "call" || expression.args.length !== 2) return null
  if (!isPlainCall(expression, "extract") && !isPlainCall(expression, "date_part")) return null
  const field = textOf(expression.args[0]!, world)
  return field === null ? null : { field: field.toLowerCase(), subject: expression.args[1]! }
}

/** A view's column that holds a bucket. */
export interface BucketColumn {
  readonly bucket: Bucket
  readonly column: Expression
  /** The view was filled, and is read, with one and the same time zone setting. */
  readonly sameZone: boolean
}

/** The expression in terms of the column, where it is the same for every time of one bucket; null where it is not. */
export function fromBucket(expression: Expression, from: BucketColumn, world: World): Expression | null {
  const wanted = bucketOf(expression, world)
  if (wanted !== null) return coarser(wanted, from, world)
  const field = fieldOf(expression, world)
  if (field === null || expression.kind !== "call" || !fieldFrom(field.field, from.bucket.unit)) return null
  const time = startOf(from, world)
  if (time === null || !sameSubject(field.subject, from, world)) return null
  const back = timeAs(time, from.bucket.calendar, world.typing.typeOf(field.subject).info, world)
  return back === null ? null : { ...expression, args: [expression.args[0]!, back] }
}

function sameSubject(subject: Expression, { bucket }: BucketColumn, world: World): boolean {
  const plain = bucket.calendar === "date" ? (dateUnder(subject, world) ?? subject) : subject
  return bucket.calendar !== "zone" && keyOf(plain, world) === keyOf(bucket.subject, world)
}

function coarser(wanted: Bucket, from: BucketColumn, world: World): Expression | null {
  const { bucket } = from
  if (wanted.calendar !== bucket.calendar || wanted.zone !== bucket.zone || !refines(bucket.unit, wanted.unit)) return null
  if (keyOf(wanted.subject, world) !== keyOf(bucket.subject, world)) return null
  const start = startOf(from, world)
  if (start === null) return null
  const cut = (time: Expression, zone: string | null): Expression => {
    if (wanted.unit === bucket.unit) return time
    const unit = makeConstant(typeRef("text", world), wanted.unit)
    const zoneArgument = zone === null ? [] : [makeConstant(typeRef("text", world), zone)]
    return plainCall("date_trunc", [unit, time, ...zoneArgument])
  }
  if (wanted.calendar === "zone") return wanted.zone === null && !from.sameZone ? null : cut(start, wanted.zone)
  if (wanted.calendar === "date") {
    if (wanted.as === "timestamptz") return cut(castTo(start, "timestamptz", world), null)
    const local = cut(castTo(start, "timestamp", world), null)
    return wanted.as === "timestamp" ? local : wanted.unit === bucket.unit ? start : castTo(local, "date", world)
  }
  const local = cut(bucket.as === "date" ? castTo(start, "timestamp", world) : start, null)
  return wanted.as === "timestamp" ? local : castTo(local, "date", world)
}

/**
 * The first moment of the bucket that the column holds: a date in the calendar "date", else as it is kept. A date_trunc over a date is
 * local midnight in a zone that is not known; of the longer units the date can be told all the same, since no zone is a day off.
 */
export function startOf({ bucket, column, sameZone }: BucketColumn, world: World): Expression | null {
  if (bucket.calendar !== "date" || bucket.as === "date") return column
  if (bucket.as === "timestamp" || sameZone) return castTo(column, "date", world)
  const half = halves[bucket.unit]
  if (half === undefined) return null
  const text = typeRef("text", world)
  const utc = plainCall("timezone", [makeConstant(text, "UTC"), column])
  const middle: Expression = {
    kind: "operator",
    schema: null,
    name: "+",
    left: utc,
    right: makeConstant(typeRef("interval", world), half),
    quantifier: null,
  }
  return castTo(plainCall("date_trunc", [makeConstant(text, bucket.unit), middle]), "date", world)
}

/** From the first midnight of a bucket, whatever the zone, to well inside of it. */
const halves: Partial<Record<TimeUnit, string>> = {
  week: "3 days",
  month: "14 days",
  quarter: "45 days",
  year: "180 days",
  decade: "1800 days",
}

/** The bucket's start as the type of the subject that was cut. */
function timeAs(start: Expression, calendar: Bucket["calendar"], type: TypeInfo, world: World): Expression | null {
  const own = world.typing.typeOf(start).info.id
  if (own === type.id) return start
  if (type.id === typeIds.timestamp && own === typeIds.date) return castTo(start, "timestamp", world)
  if (type.id === typeIds.date && calendar === "date") return castTo(start, "date", world)
  return type.id === typeIds.timestamptz && calendar === "date" ? castTo(start, "timestamptz", world) : null
}

function typeRef(name: string, world: World): { info: TypeInfo; modifier: null } {
  return { info: world.typing.catalog.typeByName("pg_catalog", name)!, modifier: null }
}

function castTo(expression: Expression, name: string, world: World): Expression {
  const type = typeRef(name, world)
  return world.typing.typeOf(expression).info.id === type.info.id
    ? expression
    : { kind: "cast", type: type.info.text, operand: expression }
}

/** A call of a function of PostgreSQL's own. */
export function plainCall(name: string, args: readonly Expression[]): FunctionCall {
  return {
    kind: "call",
    schema: null,
    name,
    args,
    argNames: args.map(() => null),
    star: false,
    distinct: false,
    variadic: false,
    filter: null,
    order: [],
    withinGroup: false,
    over: null,
  }
}
