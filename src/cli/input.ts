import { readFile } from "node:fs/promises"
import { SelectoError } from "../errors.ts"

/** A file's text; `-` is standard input. */
export async function input(file: string): Promise<string> {
  if (file === "-") {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString("utf8")
  }
  try {
    return await readFile(file, "utf8")
  } catch (cause) {
    throw new SelectoError("E_UNSUPPORTED_INPUT", `${file} cannot be read.`, { cause })
  }
}
