import type { Database } from "../database/database.ts"

/** What every session of the pool has in common, as far as results depend on it. */
export interface Context {
  /** Part of every key. */
  readonly key: string
  readonly standby: boolean
}

/** Settings by which a value, or its text, differs. */
const settings = [
  ...["search_path", "TimeZone", "DateStyle", "IntervalStyle", "timezone_abbreviations", "extra_float_digits", "bytea_output"],
  ...["lc_monetary", "lc_numeric", "lc_time", "default_text_search_config", "xmlbinary", "xmloption", "row_security"],
  ...["transform_null_equals", "array_nulls", "standard_conforming_strings", "role"],
]

const question = `select json_build_array(current_database(), session_user, current_user, pg_catalog.pg_is_in_recovery(),
  (select json_agg(current_setting(n, true)) from unnest($1::text[]) as n))::text as context /* selecto:cache */`

/** Asks a session of the pool. */
export async function readContext(database: Database): Promise<Context> {
  const { rows } = await database.queryText({ text: question, values: [settings] }, { timeoutMs: 10_000 })
  const key = rows[0]![0]!
  return { key, standby: (JSON.parse(key) as unknown[])[3] === true }
}
