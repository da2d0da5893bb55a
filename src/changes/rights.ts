import { isSelectoError, SelectoError } from "../errors.ts"

/**
 * What a call of ours throws when PostgreSQL refused it for a missing right (SQLSTATE 42501) or because nothing may be written
 * (25006): E_MISSING_RIGHT with the statement that gives the right, or E_READ_ONLY. Any other error is returned as it is.
 */
export function rightError(error: unknown, what: string, grant: string): unknown {
  if (!isSelectoError(error, "E_DATABASE")) return error
  if (error.sqlState === "42501")
    return new SelectoError("E_MISSING_RIGHT", `This role may not ${what}: ${ended(error.message)} Needed: ${grant}`, {
      cause: error,
      sqlState: error.sqlState,
      sqlClass: error.sqlClass,
    })
  if (error.sqlState === "25006")
    return new SelectoError("E_READ_ONLY", `Nothing can be written here, so this call cannot ${what}. Connect to the primary.`, {
      cause: error,
      sqlState: error.sqlState,
      sqlClass: error.sqlClass,
    })
  return error
}

function ended(sentence: string): string {
  return sentence.endsWith(".") ? sentence : `${sentence}.`
}

/** What a call that needs schema `selecto` throws where it, or the part that is asked for, is not there (E_NOT_INSTALLED) or not for this role. */
export function stateError(error: unknown): unknown {
  if (isSelectoError(error, "E_DATABASE") && ["3F000", "42P01", "42883"].includes(error.sqlState ?? ""))
    return new SelectoError(
      "E_NOT_INSTALLED",
      "No changes are tracked in this database: schema selecto, or the change log in it, is not there. Track tables first.",
      { cause: error, sqlState: error.sqlState, sqlClass: error.sqlClass },
    )
  return rightError(
    error,
    "use schema selecto",
    "GRANT USAGE ON SCHEMA selecto TO this role; for keeping it up, to be its owner.",
  )
}
