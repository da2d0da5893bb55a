/** One output column of a reading: its SQL and how the server's text becomes a value. Every value may be null. */
export interface Field<T> {
  readonly sql: string
  readonly read: (text: string) => T
}

export type Fields = Readonly<Record<string, Field<unknown>>>

/** What a row with these fields is. */
export type RowOf<F extends Fields> = { readonly [K in keyof F]: (F[K] extends Field<infer T> ? T : never) | null }

export function text(sql: string): Field<string> {
  return { sql, read: String }
}

export function number(sql: string): Field<number> {
  return { sql, read: Number }
}

export function flag(sql: string): Field<boolean> {
  return { sql, read: (value) => value === "t" || value === "true" }
}

/** An array of text, as JSON: names may hold anything. */
export function list(sql: string): Field<readonly string[]> {
  return { sql: `to_json(${sql})::text`, read: (value) => JSON.parse(value) as string[] }
}

/** Seconds of an interval as milliseconds. */
export function milliseconds(interval: string): Field<number> {
  return { sql: `extract(epoch from ${interval}) * 1000`, read: Number }
}

/** A moment as milliseconds since 1970. */
export function moment(sql: string): Field<number> {
  return { sql: `extract(epoch from ${sql}) * 1000`, read: Number }
}

/** `select a as "x", …`: the list of a SELECT. */
export function selectList(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, { sql }]) => `${sql} as "${name}"`)
    .join(", ")
}

/** Rows of text in the order of the fields, as objects. */
export function rowsOf<F extends Fields>(fields: F, rows: readonly (readonly (string | null)[])[]): RowOf<F>[] {
  const entries = Object.entries(fields)
  return rows.map((row) => {
    const value: Record<string, unknown> = {}
    for (const [at, [name, { read }]] of entries.entries()) {
      const cell = row[at] ?? null
      value[name] = cell === null ? null : read(cell)
    }
    return value as RowOf<F>
  })
}
