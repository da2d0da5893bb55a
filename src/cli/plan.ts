import { connect } from "../client/connect.ts"
import { SelectoError } from "../errors.ts"
import { analyzeQueryPlan, parsePlan, renderTree } from "../explain/index.ts"
import { type ShadowPlanResult, shadowPlan } from "../indexes/what-if/index.ts"
import { input } from "./input.ts"
import { indent, type Terminal, wrap } from "./terminal.ts"

export interface PlanCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly shadow?: boolean | undefined
  /** A saved shadow to plan on instead of a database. */
  readonly on?: string | undefined
  readonly save?: string | undefined
  readonly withValues?: boolean | undefined
  readonly json?: boolean | undefined
  readonly check?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** `selecto plan --shadow`: EXPLAIN as production would, on a private copy of its catalog. Returns 1 with --check where one cannot be planned. */
export async function planCommand(terminal: Terminal, file: string | undefined, options: PlanCommandOptions): Promise<number> {
  if (options.shadow !== true && options.on === undefined)
    throw new SelectoError(
      "E_INVALID_OPTION",
      "selecto plan takes --shadow, or --on FILE with a saved one. To ask the server itself: selecto explain.",
      {
        path: "shadow",
      },
    )
  const statements = await input(file ?? "-")
  terminal.progress("copying the catalog…")
  const asked = { statements, save: options.save, withValues: options.withValues, signal: options.signal }
  const result =
    options.on === undefined ? await onDatabase(options.databaseUrl, asked) : await shadowPlan({ file: options.on }, asked)
  terminal.progress(null)
  if (options.save !== undefined)
    terminal.note(`wrote ${options.save}${options.withValues === true ? "" : ", without column values"}`)
  if (options.json === true) terminal.out(JSON.stringify(result, null, 2))
  else report(terminal, result)
  return options.check === true && result.statements.some(({ error }) => error !== null) ? 1 : 0
}

async function onDatabase(url: string | undefined, asked: Parameters<typeof shadowPlan>[1]): Promise<ShadowPlanResult> {
  await using selecto = connect(url ?? process.env.DATABASE_URL, { applicationName: "selecto plan" })
  return await shadowPlan(selecto.database, asked)
}

function report(terminal: Terminal, { serverVersion, statements, skipped }: ShadowPlanResult): void {
  const version = `PostgreSQL ${Math.floor(serverVersion / 10_000)}`
  for (const { text, plan, error } of statements) {
    terminal.out(wrap(text.trim(), terminal.width))
    if (error !== null) terminal.out(`${indent(`${error.code}: ${error.message}`)}\n`)
    else {
      const parsed = parsePlan(plan as object)
      const issues = analyzeQueryPlan(parsed)
      terminal.out(`${indent(renderTree(parsed, { width: terminal.width - 2, issues, color: terminal.color }))}\n`)
    }
  }
  terminal.note(`planned as ${version} would, on a copy of its catalog and statistics; nothing ran there`)
  for (const one of skipped) terminal.note(`not copied: ${one.kind} ${one.name} (${one.why})`)
}
