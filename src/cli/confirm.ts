import { createInterface } from "node:readline/promises"
import { SelectoError } from "../errors.ts"

/** Asks on the terminal; true for yes. Without a terminal, and without --yes, it is refused: E_INVALID_OPTION. */
export async function confirm(question: string, yes: boolean | undefined, option: string): Promise<boolean> {
  if (yes === true) return true
  if (process.stdin.isTTY !== true)
    throw new SelectoError("E_INVALID_OPTION", `${option} asks first; without a terminal say --yes.`, { path: "yes" })
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await prompt.question(`${question} [y/N] `)
  prompt.close()
  return /^y(es)?$/i.test(answer.trim())
}
