import { SelectoError } from "../errors.ts"
import type { Node, ParseResult } from "./parse.ts"

type Deparser = typeof import("pgsql-deparser")

let deparser: Deparser | null = null

/** Loads the deparser, once per process. */
export async function loadDeparser(): Promise<void> {
  if (deparser !== null) return
  const loaded = (await import("pgsql-deparser")) as Deparser & { default?: Deparser }
  deparser = loaded.deparseSync === undefined && loaded.default !== undefined ? loaded.default : loaded
}

/**
 * SQL text of a parse tree. Comments are not in a tree: whoever needs a hint comment adds it to the result.
 * Throws E_SQL_TOO_COMPLEX for a tree that is nested too deeply.
 */
export async function deparseSql(tree: ParseResult | Node): Promise<string> {
  await loadDeparser()
  return deparseSqlSync(tree)
}

/** As {@link deparseSql}, once {@link loadDeparser} has resolved. */
export function deparseSqlSync(tree: ParseResult | Node): string {
  if (deparser === null) throw new SelectoError("E_NOT_SUPPORTED", "The deparser is not loaded yet: await loadDeparser() first.")
  try {
    return deparser.deparseSync(tree as Parameters<Deparser["deparseSync"]>[0])
  } catch (error) {
    if (error instanceof RangeError)
      throw new SelectoError("E_SQL_TOO_COMPLEX", "The SQL is nested too deeply to be written.", { cause: error })
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The parse tree holds something that cannot be written as SQL.", {
      cause: error,
    })
  }
}
