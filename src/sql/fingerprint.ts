import { callParser, loadSql } from "./parse.ts"

/**
 * PostgreSQL-wide identity of a statement: 16 hexadecimal digits, the same whatever its constants, white space, comments and
 * the length of its IN lists (libpg_query's fingerprint). Throws E_SQL_SYNTAX or E_SQL_TOO_COMPLEX.
 */
export async function fingerprint(text: string): Promise<string> {
  await loadSql()
  return fingerprintSync(text)
}

/** As {@link fingerprint}, once `loadSql` has resolved. */
export function fingerprintSync(text: string): string {
  return callParser(text, (loaded) => loaded.fingerprintSync(text))
}

/** The statement with `$n` in place of its constants, as pg_stat_statements shows it. */
export async function normalizeSql(text: string): Promise<string> {
  await loadSql()
  return normalizeSqlSync(text)
}

/** As {@link normalizeSql}, once `loadSql` has resolved. */
export function normalizeSqlSync(text: string): string {
  return callParser(text, (loaded) => loaded.normalizeSync(text))
}
