import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { loadDump } from "../../src/database/dump.ts"
import type { Template } from "./test-database.ts"

const folder = new URL("../../../shared/data/pagila/", import.meta.url)

/** True when the Pagila dump is not beside the checkout; prints the reason. */
export function pagilaMissing(): boolean {
  const present = existsSync(new URL("pagila-schema.sql", folder))
  // Not a service: CI has no copy of it either.
  if (!present) process.stderr.write("skipped: the Pagila dump is not beside the checkout\n")
  return !present
}

/** The Pagila sample database, analysed. Only where {@link pagilaMissing} is false. */
export const pagila: Template = {
  name: "pagila",
  async build(filler) {
    for (const file of ["pagila-schema.sql", "pagila-data.sql"]) {
      await loadDump(await readFile(fileURLToPath(new URL(file, folder)), "utf8"), (text, values) =>
        filler.query(text, [...values]),
      )
    }
    await filler.query("reset all")
    await filler.query("analyze")
  },
}
