import type pg from "pg"

/** A result as it can be compared: columns with their types, and the rows as text. */
export interface Answer {
  readonly columns: readonly string[]
  /** Sorted: order counts for nothing. */
  readonly rows: readonly string[]
}

/** Values as the server's text, whatever the driver would make of them. */
const asText = { getTypeParser: () => (value: string) => value }

/** Runs statements in one message, in a transaction that is rolled back, and gives the answers of the SELECTs among them. */
export async function answers(client: pg.Client, statements: readonly string[]): Promise<Answer[]> {
  const text = ["begin", ...statements.filter((one) => one !== ""), "rollback"].join(";\n")
  const result = (await client
    .query({ text, rowMode: "array", types: asText } as unknown as string)
    .catch(async (error: unknown) => {
      await client.query("rollback")
      throw error
    })) as unknown as pg.QueryArrayResult | pg.QueryArrayResult[]
  return [result]
    .flat()
    .filter((one) => one.command === "SELECT")
    .map(({ fields, rows }) => ({
      columns: fields.map((field) => `${field.name}:${field.dataTypeID}`),
      rows: rows.map((row) => JSON.stringify(row)).sort(),
    }))
}

const numeric = 1700
const double = 701

/** The answer with equal numbers written alike: which of 1.0 and 1.00 a group shows is not determined. */
export function byValue(answer: Answer): Answer {
  const loose = answer.columns.map((column) => [numeric, double].some((type) => column.endsWith(`:${type}`)))
  const plain = (value: string | null, at: number): string | null =>
    value === null || !loose[at]
      ? value
      : value
          .replace(/(\.\d*?)0+$/, "$1")
          .replace(/\.$/, "")
          .replace(/^-0$/, "0")
  const rows = answer.rows.map((row) => JSON.stringify((JSON.parse(row) as (string | null)[]).map(plain)))
  return { ...answer, rows: rows.sort() }
}

/** What differs between two answers, in a line; null when nothing does. */
export function difference(expected: Answer, actual: Answer): string | null {
  if (expected.columns.join() !== actual.columns.join())
    return `columns ${expected.columns.join(", ")} became ${actual.columns.join(", ")}`
  const rest = [...actual.rows]
  const missing: string[] = []
  for (const row of expected.rows) {
    const at = rest.indexOf(row)
    if (at < 0) missing.push(row)
    else rest.splice(at, 1)
  }
  if (missing.length === 0 && rest.length === 0) return null
  return `${missing.length} rows are missing (${missing[0] ?? "-"}), ${rest.length} are too many (${rest[0] ?? "-"})`
}
