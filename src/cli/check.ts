import { readdir, readFile, writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { connect } from "../client/connect.ts"
import { SelectoError } from "../errors.ts"
import { checkPlans, type NamedStatement, namedStatements, parseBaseline } from "../explain/index.ts"
import { input } from "./input.ts"
import { type Terminal, table } from "./terminal.ts"

export interface CheckCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly baseline?: string | undefined
  readonly update?: boolean | undefined
  readonly markdown?: string | undefined
  readonly json?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** `selecto check`: plans the statements of a folder (.sql files, and queries exported by .mjs or .js files) and holds them against the baseline. Returns 1 where a plan got worse. */
export async function checkCommand(terminal: Terminal, folder: string, options: CheckCommandOptions): Promise<number> {
  if (options.baseline === undefined)
    throw new SelectoError("E_INVALID_OPTION", "selecto check needs --baseline FILE.", { path: "baseline" })
  const names = await filesIn(folder)
  const statements = [...(await namedStatements(await sqlFiles(folder, names))), ...(await moduleQueries(folder, names))]
  if (statements.length === 0)
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      `There is no .sql file with a statement and no .mjs or .js file that exports a query in ${folder}.`,
    )
  const stored = await readFile(options.baseline, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && options.update === true) return null
    throw new SelectoError("E_UNSUPPORTED_INPUT", `${options.baseline} cannot be read. Write it first with --update.`, {
      cause: error,
    })
  })
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto check" })
  const report = await checkPlans(selecto.database, statements, stored === null ? null : parseBaseline(stored), {
    signal: options.signal,
    onProgress: ({ done, total, name }) => terminal.progress(`planning ${done + 1}/${total}: ${name}`),
  })
  terminal.progress(null)
  if (options.markdown !== undefined) await writeFile(options.markdown, report.markdown)
  if (options.update === true) await writeFile(options.baseline, `${JSON.stringify(report.baseline, null, 2)}\n`)
  if (options.json === true) terminal.out(JSON.stringify(report, null, 2))
  else
    terminal.out(
      table(
        ["statement", "verdict", "cost", "why"],
        report.checks.map((one) => [
          one.name,
          one.verdict,
          one.costRatio === null ? "-" : `${one.costRatio.toFixed(2)}x`,
          one.reasons.join("; "),
        ]),
        terminal.width,
      ),
    )
  return report.regressions.length > 0 && options.update !== true ? 1 : 0
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new SelectoError("E_UNSUPPORTED_INPUT", `${folder} is not a folder that can be read.`, { cause })
  })
  return names.sort()
}

async function sqlFiles(folder: string, names: readonly string[]): Promise<{ name: string; text: string }[]> {
  const files = names.filter((name) => name.endsWith(".sql"))
  return await Promise.all(files.map(async (name) => ({ name: name.slice(0, -4), text: await input(join(folder, name)) })))
}

/** Queries of a domain: every export of a module that can say its SQL, named file.export. */
async function moduleQueries(folder: string, names: readonly string[]): Promise<NamedStatement[]> {
  const found: NamedStatement[] = []
  for (const name of names.filter((one) => /\.m?js$/.test(one))) {
    const exports = (await import(pathToFileURL(resolve(folder, name)).href)) as Record<string, unknown>
    for (const [key, value] of Object.entries(exports)) {
      const query = value as { toSql?: () => { text: string; values: readonly unknown[] } } | null
      if (typeof query === "object" && typeof query?.toSql === "function")
        found.push({ name: `${name.replace(/\.m?js$/, "")}.${key}`, ...query.toSql() })
    }
  }
  return found
}
