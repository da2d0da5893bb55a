import { SelectoError } from "../errors.ts"

/** The error of a statement that was to be split whatever it costs, and cannot be. */
export function refused(reason: string): SelectoError {
  return new SelectoError(
    "E_PARALLEL_REFUSED",
    `The statement cannot be split among sessions: ${reason}. Leave \`where\` at "auto" to run it in one.`,
    { path: "where" },
  )
}
