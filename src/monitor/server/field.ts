/** What a column's text becomes. Times are milliseconds: of an interval, or since 1970. */
interface Kinds {
  readonly text: string
  readonly number: number
  readonly flag: boolean
  readonly list: readonly string[]
  readonly milliseconds: number
}

/** One output column of a reading: its kind and its SQL. Every value may be null. */
export type Field = readonly [kind: keyof Kinds, sql: string]

/** A column whose values are numbers. */
export type NumberField = readonly [kind: "number", sql: string]

export type Fields = Readonly<Record<string, Field>>

/** What a row with these fields is. */
export type RowOf<F extends Fields> = { readonly [K in keyof F]: Kinds[F[K][0]] | null }

const readers: { readonly [K in keyof Kinds]: (text: string) => Kinds[K] } = {
  text: String,
  number: Number,
  flag: (text) => text === "t" || text === "true",
  // As JSON: names may hold anything.
  list: (text) => JSON.parse(text) as string[],
  milliseconds: Number,
}

/** `a as "x", …`: the list of a SELECT. */
export function selectList(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, field]) => `${sqlOf(field)} as "${name}"`)
    .join(", ")
}

function sqlOf([kind, sql]: Field): string {
  if (kind === "list") return `to_json(${sql})::text`
  // date_part gives a double; extract a numeric, which is many times as slow.
  return kind === "milliseconds" ? `date_part('epoch', ${sql}) * 1000` : sql
}

/** Rows of text in the order of the fields, as objects. */
export function rowsOf<F extends Fields>(fields: F, rows: readonly (readonly (string | null)[])[]): RowOf<F>[] {
  const entries = Object.entries(fields)
  return rows.map((row) => {
    const value: Record<string, unknown> = {}
    for (const [at, [name, [kind]]] of entries.entries()) {
      const cell = row[at] ?? null
      value[name] = cell === null ? null : readers[kind](cell)
    }
    return value as RowOf<F>
  })
}
