import type { Statement } from "../database/database.ts"
import { compactParameters, fillSlots, quoteIdentifier, type SelectPieces, slotText } from "../sql/index.ts"
import type { Decomposition } from "./aggregates.ts"
import type { Division } from "./division.ts"
import type { SortColumn } from "./order.ts"

/** A statement whose last parameters are bound later. */
export interface OpenStatement {
  readonly text: string
  /** In the order of `$n`: a value of the statement's own, or the place of one that is given later. */
  readonly slots: readonly Slot[]
}

type Slot = { readonly value: unknown; readonly own: number } | { readonly given: number }

/** Numbers anew what an assembled text mentions of `own` parameters, and of those that come after them. */
export function openStatement(text: string, values: readonly unknown[], given: number): OpenStatement {
  const own = values.map((value, at): Slot => ({ value, own: at }))
  const all = [...own, ...Array.from({ length: given }, (_, at): Slot => ({ given: at }))]
  const compact = compactParameters(text, all)
  return { text: compact.text, slots: compact.values as Slot[] }
}

export function bindStatement({ text, slots }: OpenStatement, given: readonly unknown[], comment: string): Statement {
  return { text: `${text} ${comment}`, values: slots.map((slot) => ("given" in slot ? given[slot.given] : slot.value)) }
}

/** The types of a statement's parameters, by those of the whole; null for a value given later, which stands in a cast of its own. */
export function slotTypes({ slots }: OpenStatement, types: readonly string[]): (string | null)[] {
  return slots.map((slot) => ("own" in slot ? types[slot.own]! : null))
}

/** What a statement is made of, beside its pieces. */
export interface Source {
  readonly pieces: SelectPieces
  readonly values: readonly unknown[]
  /** A hint comment at its beginning, kept for the parts. */
  readonly hint: string
}

/** The pieces' clauses with keys, aggregates and the moment in place: `now` is SQL for the moment. */
function writer(pieces: SelectPieces, now: string, condition: string): (text: string) => string {
  const slots = new Map([
    [slotText("now"), now],
    [slotText("part"), condition],
    ...pieces.aggregates.map(({ slot, text }) => [slot, text] as const),
    ...pieces.keys.map((key, at) => [slotText(`k${at}`), key] as const),
  ])
  // Twice: an aggregate's own text may ask for the moment.
  return (text) =>
    fillSlots(
      fillSlots(text, (slot) => slots.get(slot) ?? null),
      (slot) => slots.get(slot) ?? null,
    )
}

function clause(word: string, text: string | null): string {
  return text === null || text === "" ? "" : ` ${word} ${text}`
}

/** The names under which parts give what the merge needs. */
export const keyName = (at: number): string => slotText(`k${at}`)
export const partialName = (at: number): string => slotText(`p${at}`)
export const sortName = (at: number): string => slotText(`s${at}`)

/** One part of a grouped statement: keys, and partial columns of the aggregates, for the rows of the part. */
export function groupsPart(
  { pieces, values, hint }: Source,
  keys: readonly string[],
  decompositions: readonly Decomposition[],
  division: Division,
  now: string,
): OpenStatement[] {
  const partials = decompositions.flatMap((one) => one.partials)
  // Known by their places: a name of theirs would be taken for a slot.
  const output = [...keys, ...partials.map(({ sql }) => sql)]
  // By position: a key that is a constant would be taken for one.
  const grouping = keys.map((_key, at) => at + 1).join(", ")
  return division.conditions.map((condition) => {
    const fill = writer(
      pieces,
      now,
      condition((at) => `$${values.length + at + 1}`),
    )
    const text = `${hint}${pieces.with} SELECT ${output.join(", ")} FROM ${pieces.from}${clause("WHERE", pieces.where)}${clause("GROUP BY", grouping)}`
    return openStatement(fill(text), values, 2)
  })
}

/** One part of a statement whose rows, or whole groups, are only put together: its own output, then the keys it is sorted by. */
export function rowsPart(source: Source, division: Division, now: string, options: RowsPartOptions): OpenStatement[] {
  return division.conditions.map((condition) => openStatement(rowsText(source, condition, now, options), source.values, 2))
}

export interface RowsPartOptions {
  /** Each part is sorted as the whole. */
  readonly sorted: boolean
  /** Each part gives no more rows than the whole, those before its first included. */
  readonly limited: boolean
  /** Columns behind the output, by which the parts' rows are put in order. */
  readonly keys: readonly string[]
}

/** The statement without order and limit and without rows, for the names and types of its columns. */
export function rowsProbe(source: Source, keys: readonly string[]): OpenStatement {
  const options = { sorted: false, limited: false, keys }
  return openStatement(`${rowsText(source, () => "true", "now()", options)} LIMIT 0`, source.values, 0)
}

/** One part without its rows: for the types of keys and partial columns. */
export function groupsProbe(source: Source, keys: readonly string[], decompositions: readonly Decomposition[]): OpenStatement {
  const none: Division = { kind: "custom", label: "", conditions: [() => "true"] }
  const [open] = groupsPart(source, keys, decompositions, none, "now()")
  return { text: `${open!.text} LIMIT 0`, slots: open!.slots }
}

/** Expressions over the statement's rows, without rows: for their types. */
export function expressionsProbe({ pieces, values }: Source, expressions: readonly string[]): OpenStatement {
  const fill = writer(pieces, "now()", "true")
  const text = `${pieces.with} SELECT ${expressions.join(", ")} FROM ${pieces.from}${clause("WHERE", pieces.where)} LIMIT 0`
  return openStatement(fill(text), values, 0)
}

/** Collations of some columns of a probe, which has no rows: one row, in the order asked. */
export function collationProbe(probe: OpenStatement, width: number, columns: readonly number[]): OpenStatement {
  const asked = columns.map((column) => `pg_collation_for(q.c${column})`)
  const names = Array.from({ length: width }, (_, at) => `c${at}`)
  const text = `SELECT ${asked.join(", ")} FROM (SELECT 1) AS d LEFT JOIN (${probe.text}) AS q(${names.join(", ")}) ON true`
  return { text, slots: probe.slots }
}

function rowsText(
  { pieces, values, hint }: Source,
  condition: (parameter: (at: number) => string) => string,
  now: string,
  { sorted, limited, keys }: RowsPartOptions,
): string {
  // Where the moment takes the place of a function, the function's name goes as the column's.
  const output = pieces.output.map(({ text, name, alias }) => named(text, text.includes(slotText("now")) ? name : alias))
  const behind = keys.map((sql, at) => `${sql} AS ${sortName(at)}`)
  const distinct =
    pieces.distinct === null ? "" : pieces.distinct === "all" ? "DISTINCT " : `DISTINCT ON (${pieces.distinct.join(", ")}) `
  // DISTINCT ON takes the first row of each in the order asked for, which is decided within a part.
  const order = sorted || Array.isArray(pieces.distinct) ? pieces.order.map((key) => key.text).join(", ") : ""
  const limit = limited && pieces.limit !== null ? bound(pieces.limit, pieces.offset) : ""
  const fill = writer(
    pieces,
    now,
    condition((at) => `$${values.length + at + 1}`),
  )
  return fill(
    `${hint}${pieces.with} SELECT ${distinct}${[...output, ...behind].join(", ")} FROM ${pieces.from}${clause("WHERE", pieces.where)}${clause("GROUP BY", pieces.grouping)}${clause("HAVING", pieces.having)}${clause("WINDOW", pieces.windows.join(", "))}${clause("ORDER BY", order)}${clause("LIMIT", limit)}`,
  )
}

function named(text: string, name: string | null): string {
  return name === null ? text : `${text} AS ${quoteIdentifier(name)}`
}

/** Rows that a part may have to give: those before the first one asked for may all come from other parts, or from this one. */
function bound(limit: string, offset: string | null): string {
  return offset === null ? limit : `(${limit})::bigint + (${offset})::bigint`
}

/** A column of what the parts gave, as the final statement reads it. */
export interface GivenColumn {
  readonly name: string
  /** A type as it stands in a cast. */
  readonly type: string
  readonly collation: string | null
}

/** The rows that the parts gave, as a FROM item: one array of texts a column, read back by their types. */
export function givenRows(columns: readonly GivenColumn[], firstParameter: number): string {
  const arrays = columns.map((_column, at) => `$${firstParameter + at}::text[]`)
  const raw = columns.map((_column, at) => `c${at}`)
  const typed = columns.map(
    ({ name, type, collation }, at) => `(r.c${at}::${type})${collation === null ? "" : ` COLLATE ${collation}`} AS ${name}`,
  )
  return `(SELECT ${typed.join(", ")} FROM unnest(${arrays.join(", ")}) AS r(${raw.join(", ")})) AS ${slotText("given")}`
}

/** The statement over groups: its own output, HAVING, windows and order, with partial columns merged in place of the aggregates. */
export function groupsFinal(
  { pieces, values }: Source,
  names: readonly string[],
  decompositions: readonly Decomposition[],
  columns: readonly GivenColumn[],
  now: string,
): OpenStatement {
  let at = 0
  const merged = new Map(
    decompositions.map((one, index) => {
      const own = one.partials.map(() => partialName(at++))
      return [pieces.aggregates[index]!.slot, one.merge(own)] as const
    }),
  )
  const fill = (text: string): string => fillSlots(text, (slot) => merged.get(slot) ?? (slot === slotText("now") ? now : null))
  const dependent = pieces.keys.slice(pieces.groupingKeys).map((_key, index) => keyName(pieces.groupingKeys + index))
  const grouping = pieces.grouping === null ? null : [pieces.grouping, ...dependent].join(", ")
  const distinct = pieces.distinct === "all" ? "DISTINCT " : ""
  const output = pieces.output.map(({ template }, index) => `${template} AS ${quoteIdentifier(names[index]!)}`)
  const order = pieces.order.map((key) => key.template).join(", ")
  const text = `SELECT ${distinct}${output.join(", ")} FROM ${givenRows(columns, values.length + 1)}${clause("GROUP BY", grouping)}${clause("HAVING", pieces.having)}${clause("WINDOW", pieces.windows.join(", "))}${clause("ORDER BY", order)}${clause("LIMIT", pieces.limit)}${clause("OFFSET", pieces.offset)}`
  return openStatement(fill(text), values, columns.length)
}

/** SELECT DISTINCT over what the parts gave. */
export function distinctFinal(
  { pieces, values }: Source,
  names: readonly string[],
  order: readonly string[],
  columns: readonly GivenColumn[],
  now: string,
): OpenStatement {
  const output = names.map((name, at) => `${keyName(at)} AS ${quoteIdentifier(name)}`)
  const fill = (text: string): string => fillSlots(text, (slot) => (slot === slotText("now") ? now : null))
  const text = `SELECT DISTINCT ${output.join(", ")} FROM ${givenRows(columns, values.length + 1)}${clause("ORDER BY", order.join(", "))}${clause("LIMIT", pieces.limit)}${clause("OFFSET", pieces.offset)}`
  return openStatement(fill(text), values, columns.length)
}

/** The numbers of given rows in the order that PostgreSQL puts their keys. */
export function sortFinal(columns: readonly SortColumn[]): string {
  const arrays = columns.map((_column, at) => `$${1 + at}::text[]`)
  const raw = columns.map((_column, at) => `c${at}`)
  const typed = columns.map(
    ({ type, collation, descending, nullsFirst }, at) =>
      `(r.c${at}::${type.sql})${collation === null ? "" : ` COLLATE ${collation}`}${descending ? " DESC" : ""} NULLS ${nullsFirst ? "FIRST" : "LAST"}`,
  )
  return `SELECT r.i - 1 FROM unnest(${arrays.join(", ")}) WITH ORDINALITY AS r(${raw.join(", ")}, i) ORDER BY ${typed.join(", ")}, r.i /* selecto:parallel */`
}

/** Which rows LIMIT and OFFSET ask for; null where all are. */
export function rowsWanted({ pieces, values }: Source): { readonly from: number; readonly to: number } | null {
  const limit = pieces.limit === null ? null : countOf(pieces.limit, values)
  const offset = pieces.offset === null ? 0 : (countOf(pieces.offset, values) ?? 0)
  if (limit === null && offset === 0) return null
  return { from: offset, to: limit === null ? Number.POSITIVE_INFINITY : offset + limit }
}

/** A count that stands in the text or is bound to it; null for NULL, which is none. */
function countOf(text: string, values: readonly unknown[]): number | null {
  const parameter = /^(?:CAST\()?\$(\d+)(?:::\w+| AS \w+\))?$/.exec(text)
  const value = parameter === null ? text : values[Number(parameter[1]) - 1]
  return value === null || value === undefined ? null : Number(value)
}

/** Whether LIMIT and OFFSET are counts that this process can read. */
export function countsKnown({ pieces, values }: Source): boolean {
  return [pieces.limit, pieces.offset].every((text) => {
    const count = text === null ? null : countOf(text, values)
    return count === null || (Number.isSafeInteger(count) && count >= 0)
  })
}
