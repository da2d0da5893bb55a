import { connect } from "../client/connect.ts"
import type { Selecto } from "../client/selecto.ts"
import { SelectoError } from "../errors.ts"
import {
  type Advice,
  type AdviseOptions,
  applyIndexes,
  formatAdvice,
  type IndexRecommendation,
  logWorkload,
  type MigrationFormat,
  sqlWorkload,
  type Workload,
} from "../indexes/index.ts"
import type { Size } from "../units.ts"
import { confirm } from "./confirm.ts"
import { input } from "./input.ts"
import { formatBytes, formatMs, indent, type Terminal, table, wrap } from "./terminal.ts"

export interface AdviseCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly from?: string | undefined
  readonly fromLog?: string | undefined
  readonly budget?: string | undefined
  readonly maxIndexes?: number | undefined
  readonly whatIf?: string | undefined
  readonly format?: string | undefined
  readonly apply?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly json?: boolean | undefined
  readonly check?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

const formats: readonly string[] = ["sql", "prisma", "drizzle", "knex"]

/** `selecto advise`. Changes nothing without --apply. Returns the exit code: 1 with --check where an index is recommended. */
export async function adviseCommand(
  terminal: Terminal,
  file: string | undefined,
  options: AdviseCommandOptions,
): Promise<number> {
  if (options.format !== undefined && !formats.includes(options.format) && options.format !== "migration")
    throw new SelectoError("E_INVALID_OPTION", `--format is one of ${formats.join(", ")}.`, { path: "format" })
  const workload = await workloadOf(file, options)
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto advise" })
  const advice = await selecto.indexes.advise(workload, {
    budgetBytes: options.budget as Size | undefined,
    maxIndexes: options.maxIndexes === undefined ? undefined : Number(options.maxIndexes),
    whatIf: options.whatIf as AdviseOptions["whatIf"],
    signal: options.signal,
    onProgress: ({ phase, done, of }) => terminal.progress(`${phase} ${of > 1 ? `${done}/${of}` : ""}…`),
  })
  terminal.progress(null)
  if (options.json === true) terminal.out(JSON.stringify(advice, null, 2))
  else if (options.format !== undefined) print(terminal, advice.recommendations, options.format)
  else report(terminal, advice)
  if (options.apply === true && advice.recommendations.length > 0) await apply(terminal, selecto, advice.recommendations, options)
  return options.check === true && advice.recommendations.length > 0 ? 1 : 0
}

async function workloadOf(file: string | undefined, options: AdviseCommandOptions): Promise<Workload> {
  if (options.fromLog !== undefined) return await logWorkload(await input(options.fromLog))
  if (file !== undefined) return await sqlWorkload(await input(file))
  if (options.from === undefined || options.from === "pg_stat_statements") return "pg_stat_statements"
  throw new SelectoError("E_INVALID_OPTION", "--from takes pg_stat_statements; for a log file use --from-log FILE.", {
    path: "from",
  })
}

function print(terminal: Terminal, recommendations: readonly IndexRecommendation[], format: string): void {
  for (const file of formatAdvice(recommendations, (format === "migration" ? "sql" : format) as MigrationFormat)) {
    terminal.note(file.name)
    terminal.out(file.text)
  }
}

function report(terminal: Terminal, advice: Advice): void {
  const { recommendations, statements, cost, redundant, notes } = advice
  for (const note of notes) terminal.note(`note: ${note}`)
  for (const one of recommendations) {
    const size = one.sizeBytes === null ? "" : `, about ${formatBytes(one.sizeBytes)}`
    terminal.out(
      `${one.sql};\n${indent(wrap(`${one.priority} priority, ${one.confidence}${size}. ${one.reason}`, terminal.width - 4))}\n`,
    )
  }
  if (recommendations.length === 0) terminal.out("No index is worth its cost.\n")
  const rows = statements.map((one) => [
    one.text.replace(/\s+/g, " ").trim(),
    String(one.calls),
    one.costBefore === null ? "-" : one.costBefore.toFixed(0),
    one.costAfter === null ? "-" : one.costAfter.toFixed(0),
    one.error ?? one.verdict,
  ])
  terminal.out(table(["statement", "calls", "cost", "after", "verdict"], rows, terminal.width))
  const saved = cost.before > 0 ? Math.round((1 - cost.after / cost.before) * 100) : 0
  terminal.out(
    `\ncost of the workload: ${cost.before.toFixed(0)} → ${cost.after.toFixed(0)} (${saved} % less, by the ${advice.planner} planner)`,
  )
  for (const one of redundant) terminal.out(`may go: ${one.sql}  (${one.reason})`)
}

/** Builds the indexes one by one, after showing them and asking. */
async function apply(
  terminal: Terminal,
  selecto: Selecto,
  recommendations: readonly IndexRecommendation[],
  options: AdviseCommandOptions,
): Promise<void> {
  if (!(await confirm(`Build ${recommendations.length} of them now?`, options.yes, "--apply"))) return
  const results = await applyIndexes(selecto.database, recommendations, {
    signal: options.signal,
    onProgress: ({ number, of, phase, share, statement }) =>
      terminal.progress(`${number}/${of} ${phase}${share === null ? "" : ` ${Math.round(share * 100)} %`}: ${statement}`),
  })
  terminal.progress(null)
  for (const { statement, status, ms, error } of results)
    terminal.out(`${status} (${formatMs(ms)}): ${statement}${error === null ? "" : `\n  ${error}`}`)
  if (results.some(({ status }) => status === "failed"))
    throw new SelectoError("E_DATABASE", "Not every index could be built; what a failed build left behind was removed.")
}
