#!/usr/bin/env node
import { cac } from "cac"
import { isSelectoError } from "../errors.ts"
import { version } from "../version.ts"
import { adviseCommand } from "./advise.ts"
import { checkCommand } from "./check.ts"
import { doctorCommand } from "./doctor.ts"
import { type DomainCommandOptions, domainCommand } from "./domain.ts"
import { explainCommand } from "./explain.ts"
import { monitorCommand } from "./monitor.ts"
import { planCommand } from "./plan.ts"
import { processTerminal } from "./terminal.ts"
import { tour } from "./tour/tour.ts"
import { uninstallCommand } from "./uninstall.ts"
import { viewsCommand } from "./views.ts"
import { workCommand } from "./work.ts"

/** Exit codes: 0 done, 1 a problem was found where asked to check, 2 usage or connection error, 128 + n ended by signal n. */
const terminal = processTerminal()

/** The first signal cancels on the server and cleans up; a second one leaves at once. */
const interruption = new AbortController()
let interruptedBy: number | null = null
function interrupt(code: number): void {
  if (interruptedBy !== null) process.exit(code)
  interruptedBy = code
  interruption.abort(new Error("interrupted"))
}
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  process.on(signal, () => {
    if (interruptedBy === null) terminal.note("cancelling… (Ctrl-C again to leave at once)")
    interrupt(code)
  })
// A reader that has gone away, as head does, wants no more; what was made in the database must still be removed.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", () => {
    if (interruptedBy === null) interrupt(141)
  })

const cli = cac("selecto")

cli
  .command("tour", "A guided demonstration on an embedded database: compose, explain, advise, verify, measure")
  .option("--database-url <url>", "Run on this server instead, in a new schema that is removed at the end")
  .option("--pagila <dir>", "Ask the Pagila sample database, loaded from this folder, instead of the tour's store")
  .option("--scale <n>", "Size of the store; 1 is about 300,000 order items", { default: 1 })
  .option("--json", "Print the measurements as JSON")
  .example("  selecto tour --scale 0.2")
  .action(async (options: { databaseUrl?: string; pagila?: string; scale: number; json?: boolean }) => {
    const improvements = await tour(terminal, { ...options, scale: Number(options.scale), signal: interruption.signal })
    if (options.json === true) terminal.out(JSON.stringify({ improvements }, null, 2))
  })

cli
  .command("explain [file]", "Explain a statement, or read a saved plan: where the time goes, what is wrong, what to do")
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--analyze", "Run the statement and measure it (writes are rolled back)")
  .option("--plan <file>", "Read this plan (JSON, text, psql or log output; - is standard input) instead of asking a database")
  .option(
    "--html <file>",
    "Write a page that shows the plan beside its problems; with its picture where the package pev2 is installed",
  )
  .option("--json", "Print plan and issues as JSON")
  .option("--check", "Exit with 1 when a problem of severity medium or worse is found")
  .example("  selecto explain query.sql --analyze")
  .example("  pbpaste | selecto explain --plan -")
  .action((file: string | undefined, options: Record<string, unknown>) =>
    explainCommand(terminal, file, { ...options, signal: interruption.signal }),
  )

cli
  .command(
    "plan [file]",
    "EXPLAIN as production would, on a private copy of its catalog; nothing is sent there but catalog queries",
  )
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--shadow", "Plan on a copy of the database's catalog and statistics")
  .option("--on <file>", "Plan on a saved copy, without any database")
  .option("--save <file>", "Keep the copy for later, or for a bug report: without column values")
  .option("--with-values", "With --save: keep column values too")
  .option("--json", "Print plans as JSON")
  .option("--check", "Exit with 1 when a statement cannot be planned")
  .example("  selecto plan query.sql --shadow --save shadow.json")
  .action((file: string | undefined, options: Record<string, unknown>) =>
    planCommand(terminal, file, { ...options, signal: interruption.signal }),
  )

cli
  .command(
    "advise [workload.sql]",
    "Which indexes would make a workload cheaper, verified by a planner; changes nothing without --apply",
  )
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--from <source>", "pg_stat_statements (the default without a file)")
  .option("--from-log <file>", "A server log: csvlog, jsonlog, stderr with durations, auto_explain")
  .option("--budget <size>", "Most space for all indexes together, such as 2GB")
  .option("--max-indexes <n>", "Most indexes")
  .option("--what-if <planner>", "auto, shadow, server, hypopg or none", { default: "auto" })
  .option("--format <format>", "Print a migration instead: sql, prisma, drizzle or knex")
  .option("--apply", "Build the indexes one by one, CONCURRENTLY, after asking")
  .option("--yes", "Do not ask")
  .option("--json", "Print the advice as JSON")
  .option("--check", "Exit with 1 when an index is recommended")
  .example("  selecto advise queries.sql --budget 500MB")
  .action((file: string | undefined, options: Record<string, unknown>) =>
    adviseCommand(terminal, file, { ...options, signal: interruption.signal }),
  )

cli
  .command(
    "check <folder>",
    "Hold plans against a baseline: .sql files, and queries exported by .mjs files; exit 1 where one got worse",
  )
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--baseline <file>", "The stored plans")
  .option("--update", "Write the baseline")
  .option("--markdown <file>", "Write the report for a pull request")
  .option("--json", "Print the report as JSON")
  .example("  selecto check queries/ --baseline plans.json")
  .action((folder: string, options: Record<string, unknown>) =>
    checkCommand(terminal, folder, { ...options, signal: interruption.signal }),
  )

cli
  .command("monitor", "A live top of the server: statements, waits, locks and alerts; asks for statistics, and changes nothing")
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--interval <seconds>", "Seconds from one picture to the next", { default: 2 })
  .option("--by <what>", "What is heaviest: time, calls, mean, rows, reads or temp", { default: "time" })
  .option("--limit <n>", "Statements shown", { default: 15 })
  .option("--once", "One picture, of one interval")
  .option("--json", "Print pictures as JSON, one a line")
  .option("--check", "With --once: exit with 1 when an alert is firing that is more than a remark")
  .option("--prometheus-rules", "Print the alert rules as a rule file of Prometheus, and nothing else")
  .example("  selecto monitor --once --check")
  .example("  selecto monitor --prometheus-rules > selecto-rules.yml")
  .action((options: Record<string, unknown>) => monitorCommand(terminal, { ...options, signal: interruption.signal }))

cli
  .command(
    "domain <action> [file]",
    "introspect: write a typed domain file from a live database; check: fail when they have drifted",
  )
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--root <table>", "introspect: the table the domain starts at")
  .option("--name <name>", "introspect: the domain's name")
  .option("--depth <n>", "introspect: how many joins are followed", { default: 2 })
  .option("--json", "Print JSON")
  .example("  selecto domain introspect orders.ts --root orders")
  .example("  selecto domain check orders.ts")
  .action((action: string, file: string | undefined, options: DomainCommandOptions) =>
    domainCommand(terminal, action, file, options),
  )

cli
  .command(
    "views <action> [name]",
    "Materialized views: list, status, create, diff, redefine, adopt, refresh, drop, cleanup, restore",
  )
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--file <file>", "create, diff, redefine: the view's SELECT; - is standard input")
  .option("--refresh <when>", "immediate, hourly, daily, an interval such as 15m, or a cron expression in quotes")
  .option("--on-demand <age>", "Refresh only when asked, and only what is older than this")
  .option("--timezone <zone>", "The zone in which schedules count and refreshes run; default UTC")
  .option("--max-staleness <age>", "Queries may be answered from it while it is not older")
  .option("--track", "Follow changes of its tables, so that it is known whether it is exact")
  .option("--unique <columns>", "Columns of its unique index, with commas between them")
  .option("--concurrently", "refresh: fail rather than let readers wait")
  .option("--force", "refresh: also where nothing has changed")
  .option("--upstream", "refresh: the views that it reads first")
  .option("--unused-for <age>", "cleanup: what nobody has read for so long; default 30d")
  .option("--quarantine <age>", "cleanup: how long it is kept under another name; default 7d")
  .option("--apply", "cleanup: do it, after asking")
  .option("--yes", "Do not ask")
  .option("--json", "Print JSON")
  .option("--check", "Exit with 1 when a view has a problem, or differs")
  .example("  selecto views create sales_by_region --file sales.sql --refresh daily --track")
  .example("  selecto views list --check")
  .action((action: string, name: string | undefined, options: Record<string, unknown>) =>
    viewsCommand(terminal, action, name, { ...options, signal: interruption.signal }),
  )

cli
  .command("work", "Refresh the views that are due, for cron and serverless functions")
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--once", "One round, then end")
  .option("--json", "Print JSON")
  .example("  selecto work --once")
  .action((options: Record<string, unknown>) => workCommand(terminal, { ...options, signal: interruption.signal }))

cli
  .command("doctor", "What server and role can do, what is in the database because of us, what is amiss; changes nothing")
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--grants", "Print SQL that makes roles with no more rights than are needed")
  .option("--repair", "Put right what has come apart: triggers, partitions, a state that came from elsewhere")
  .option("--json", "Print everything as JSON")
  .option("--check", "Exit with 1 when something is amiss")
  .example("  selecto doctor --grants > grants.sql")
  .action((options: Record<string, unknown>) => doctorCommand(terminal, { ...options, signal: interruption.signal }))

cli
  .command("uninstall", "Drop what is ours in the database: lists it and asks, never uses CASCADE, keeps materialized views")
  .option("--database-url <url>", "The database; default DATABASE_URL")
  .option("--views", "Drop the materialized views that were made for you, too (adopted ones never)")
  .option("--yes", "Do not ask")
  .option("--json", "Print what was dropped and what was kept as JSON")
  .example("  selecto uninstall --yes")
  .action((options: Record<string, unknown>) => uninstallCommand(terminal, { ...options, signal: interruption.signal }))

cli.help()
cli.version(version)

async function main(): Promise<number> {
  cli.parse(process.argv, { run: false })
  if (cli.matchedCommand === undefined && cli.options.help !== true && cli.options.version !== true) {
    if (cli.args.length > 0) terminal.note(`There is no command ${JSON.stringify(cli.args[0])}.\n`)
    cli.outputHelp()
    return cli.args.length > 0 ? 2 : 0
  }
  const code: unknown = await cli.runMatchedCommand()
  return typeof code === "number" ? code : 0
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    terminal.progress(null)
    process.exitCode = interruptedBy ?? 2
    if (interruptedBy !== null && isSelectoError(error, "E_ABORTED")) terminal.note("cancelled")
    else if (isSelectoError(error, "E_NO_DATABASE_URL"))
      terminal.note(`${error.code}: set DATABASE_URL, or pass --database-url postgresql://…`)
    else if (isSelectoError(error)) terminal.note(`${error.code}: ${error.message}`)
    else
      terminal.note(
        error instanceof Error
          ? error.name === "CACError"
            ? `${error.message}. See selecto --help.`
            : String(error.stack)
          : String(error),
      )
  },
)
