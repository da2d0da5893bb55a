/** A statement as Kysely's executeQuery() takes it. */
export interface KyselyCompiledQuery<Row> {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly query: { readonly kind: "RawNode"; readonly sqlFragments: readonly string[]; readonly parameters: readonly never[] }
  readonly queryId: { readonly queryId: string }
  /** For the compiler only: the row. */
  readonly "~row"?: Row
}

let made = 0

/**
 * A composed query as a compiled query of Kysely, for programs that run their statements through it:
 * await db.executeQuery(toKysely(orders.select("id"))). Rows come as Kysely's driver converts them.
 */
export function toKysely<Row>(query: {
  toSql(): { readonly text: string; readonly values: readonly unknown[] }
  execute(): Promise<Row[]>
}): KyselyCompiledQuery<Row> {
  const { text, values } = query.toSql()
  return {
    sql: text,
    parameters: values,
    query: { kind: "RawNode", sqlFragments: [text], parameters: [] },
    queryId: { queryId: `selecto-${++made}` },
  }
}
