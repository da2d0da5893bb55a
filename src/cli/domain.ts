import { readFile, writeFile } from "node:fs/promises"
import { resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { connect } from "../client/connect.ts"
import { checkDomain, introspectDefinition } from "../client/introspect.ts"
import { domainFile } from "../client/introspection.ts"
import type { AnyDomain, DomainDefinition } from "../domain/domain.ts"
import { SelectoError } from "../errors.ts"
import type { Terminal } from "./terminal.ts"

export interface DomainCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly root?: string | undefined
  readonly name?: string | undefined
  readonly depth?: number | undefined
  readonly json?: boolean | undefined
}

/**
 * `selecto domain introspect [out.ts] --root orders` writes a typed domain file; `selecto domain check file` compares one with the
 * database. Returns the exit code: 1 where check finds drift.
 */
export async function domainCommand(
  terminal: Terminal,
  action: string,
  file: string | undefined,
  options: DomainCommandOptions,
): Promise<number> {
  if (action !== "introspect" && action !== "check")
    throw new SelectoError("E_UNSUPPORTED_INPUT", "selecto domain introspect or selecto domain check.", { path: action })
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto domain" })
  if (action === "introspect") {
    if (options.root === undefined)
      throw new SelectoError("E_INVALID_OPTION", "Name the table that the domain starts at: --root orders.", { path: "root" })
    const { root, name, depth } = options
    const definition = await introspectDefinition(selecto, { root, name, depth: depth === undefined ? undefined : Number(depth) })
    const text = options.json === true ? `${JSON.stringify(definition, null, 2)}\n` : domainFile(definition)
    if (file === undefined) terminal.out(text)
    else {
      await writeFile(file, text)
      terminal.note(`wrote ${file}`)
    }
    return 0
  }
  if (file === undefined) throw new SelectoError("E_UNSUPPORTED_INPUT", "Name the domain's file: selecto domain check orders.ts.")
  const drifts = []
  for (const definition of await definitionsIn(file))
    for (const drift of await checkDomain(selecto, { definition } as AnyDomain))
      drifts.push({ domain: definition.name, ...drift })
  if (options.json === true) terminal.out(JSON.stringify({ drifts }, null, 2))
  else if (drifts.length === 0) terminal.out("The domain and the database agree.")
  else for (const { domain, path, message } of drifts) terminal.out(`${domain}: ${path}: ${message}`)
  return drifts.length === 0 ? 0 : 1
}

/** The definitions of a JSON file, of a file that introspect wrote, or of the domains that a JavaScript module exports. */
async function definitionsIn(file: string): Promise<DomainDefinition[]> {
  const text = await readFile(file, "utf8")
  const written = file.endsWith(".json") ? text : /^const definition = (\{[\s\S]*\}) as const$/m.exec(text)?.[1]
  if (written !== undefined) {
    try {
      return [JSON.parse(written) as DomainDefinition]
    } catch (cause) {
      if (file.endsWith(".json")) throw new SelectoError("E_UNSUPPORTED_INPUT", `${file} is not JSON.`, { path: file, cause })
    }
  }
  if (file.endsWith(".ts"))
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      `${file} was changed by hand and must be compiled first: check the JavaScript file that it becomes.`,
      { path: file },
    )
  const module = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>
  const found = Object.values(module).flatMap((value) =>
    typeof value === "object" && value !== null && "definition" in value ? [value.definition as DomainDefinition] : [],
  )
  if (found.length === 0) throw new SelectoError("E_UNSUPPORTED_INPUT", `${file} exports no domain.`, { path: file })
  return found
}
