import { SelectoError } from "../../errors.ts"

/** An error of the copy's own PostgreSQL as one of ours; others as they are. */
export function refused(error: unknown): unknown {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (error instanceof SelectoError || typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code)) return error
  return new SelectoError("E_DATABASE", `The what-if planner refused: ${String(message)}`, { sqlState: code })
}
