import { connect } from "../client/connect.ts"
import type { Selecto } from "../client/selecto.ts"
import { SelectoError } from "../errors.ts"
import type { Duration } from "../units.ts"
import type { MakeOptions, RefreshProgress, RefreshReport, RefreshStrategy, ViewSpec, ViewStatus } from "../views/index.ts"
import { confirm } from "./confirm.ts"
import { input } from "./input.ts"
import { formatBytes, formatMs, indent, type Terminal, table, wrap } from "./terminal.ts"

export interface ViewsCommandOptions {
  readonly databaseUrl?: string | undefined
  /** create, diff, redefine: a file with the SELECT; - is standard input. */
  readonly file?: string | undefined
  readonly refresh?: string | undefined
  readonly onDemand?: string | undefined
  readonly timezone?: string | undefined
  readonly maxStaleness?: string | undefined
  readonly track?: boolean | undefined
  /** Columns with commas between them. */
  readonly unique?: string | undefined
  readonly concurrently?: boolean | undefined
  readonly force?: boolean | undefined
  readonly upstream?: boolean | undefined
  readonly unusedFor?: string | undefined
  readonly quarantine?: string | undefined
  readonly apply?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly json?: boolean | undefined
  readonly check?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

type Action = (selecto: Selecto, name: string | undefined, terminal: Terminal, options: ViewsCommandOptions) => Promise<number>

/** `selecto views <action> [name]`: the life of materialized views. Returns 1 with --check where a view has a problem, or where one differs. */
export async function viewsCommand(
  terminal: Terminal,
  action: string,
  name: string | undefined,
  options: ViewsCommandOptions,
): Promise<number> {
  const act = actions[action]
  if (act === undefined)
    throw new SelectoError(
      "E_INVALID_OPTION",
      `There is no "selecto views ${action}": it is one of ${Object.keys(actions).join(", ")}.`,
      {
        path: "action",
      },
    )
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto views" })
  try {
    return await act(selecto, name, terminal, options)
  } finally {
    terminal.progress(null)
  }
}

const actions: Readonly<Record<string, Action>> = {
  list: async (selecto, _name, terminal, options) => shown(terminal, options, await selecto.views.list(), true),
  status: async (selecto, name, terminal, options) => shown(terminal, options, [await selecto.views.status(named(name))], false),
  create: async (selecto, name, terminal, options) => {
    const made = await selecto.views.create(await specOf(name, options), makeOptions(terminal, options))
    print(
      terminal,
      options,
      made,
      `${made.view}: ${made.outcome}${made.unique === null ? "" : `, unique by ${made.unique.join(", ")}`}`,
    )
    for (const warning of made.warnings) terminal.note(`note: ${warning}`)
    return 0
  },
  redefine: async (selecto, name, terminal, options) => {
    const made = await selecto.views.redefine(await specOf(name, options), makeOptions(terminal, options))
    print(terminal, options, made, `${made.view}: ${made.outcome}`)
    for (const warning of made.warnings) terminal.note(`note: ${warning}`)
    return 0
  },
  diff: async (selecto, name, terminal, options) => {
    const { signal } = options
    const found = await selecto.views.diff(await specOf(name, options), { signal })
    print(terminal, options, found, `${found.view}: ${found.outcome}`)
    if (options.json !== true && found.outcome === "differs")
      terminal.out(`present:\n${indent(found.present ?? "")}\nwanted:\n${indent(found.wanted)}`)
    return options.check === true && found.outcome !== "same" ? 1 : 0
  },
  adopt: async (selecto, name, terminal, options) => {
    const adopted = await selecto.views.adopt(named(name), keepOf(options), makeOptions(terminal, options))
    print(terminal, options, adopted, `${adopted.view}: adopted`)
    for (const warning of adopted.warnings) terminal.note(`note: ${warning}`)
    return 0
  },
  refresh: async (selecto, name, terminal, options) => {
    const { concurrently, force, upstream } = options
    const report = await selecto.views.refresh(named(name), { ...makeOptions(terminal, options), concurrently, force, upstream })
    print(terminal, options, report, reportText(report))
    return 0
  },
  drop: async (selecto, name, terminal, options) => {
    if (!(await confirm(`Drop ${named(name)}?`, options.yes, "selecto views drop"))) return 0
    const dropped = await selecto.views.drop(named(name), { signal: options.signal })
    print(terminal, options, dropped, `${dropped.view}: ${dropped.outcome}`)
    return 0
  },
  cleanup: async (selecto, _name, terminal, options) => {
    const { unusedFor, quarantine, apply, signal } = options
    if (apply === true && !(await confirm("Rename or drop what nobody reads?", options.yes, "selecto views cleanup --apply")))
      return 0
    const found = await selecto.views.cleanup({
      unusedFor: unusedFor as Duration | undefined,
      quarantine: quarantine as Duration | undefined,
      apply,
      signal,
    })
    const rows = found.map(({ view, action, done, reason }) => [view, done ? `${action}, done` : action, reason])
    print(
      terminal,
      options,
      found,
      rows.length === 0 ? "No views are kept here." : table(["view", "action", "reason"], rows, terminal.width),
    )
    return options.check === true && found.some(({ action }) => action !== "keep") ? 1 : 0
  },
  restore: async (selecto, name, terminal, options) => {
    const restored = await selecto.views.restore(named(name), { signal: options.signal })
    print(terminal, options, restored, `${restored.view}: restored`)
    return 0
  },
}

function named(name: string | undefined): string {
  if (name === undefined)
    throw new SelectoError("E_INVALID_OPTION", "Name the view: selecto views <action> <name>.", { path: "name" })
  return name
}

async function specOf(name: string | undefined, options: ViewsCommandOptions): Promise<ViewSpec> {
  if (options.file === undefined)
    throw new SelectoError("E_INVALID_OPTION", "Give the view's SELECT: --file query.sql, or --file - for standard input.", {
      path: "file",
    })
  const unique =
    options.unique === undefined
      ? undefined
      : options.unique
          .split(",")
          .map((column) => column.trim())
          .filter(Boolean)
  return { name: named(name), text: await input(options.file), unique, ...keepOf(options) }
}

function keepOf({ refresh, onDemand, timezone, maxStaleness, track }: ViewsCommandOptions): Omit<ViewSpec, "name" | "text"> {
  return {
    refresh: onDemand === undefined ? strategyOf(refresh) : { onDemand: { maxAge: onDemand as Duration } },
    timezone,
    maxStaleness: maxStaleness as Duration | undefined,
    track,
  }
}

/** hourly, daily, immediate; 15m; or a cron expression. */
function strategyOf(refresh: string | undefined): RefreshStrategy | undefined {
  if (refresh === undefined || refresh === "immediate" || refresh === "hourly" || refresh === "daily") return refresh
  return /\s/.test(refresh.trim()) ? { scheduled: refresh } : { every: refresh as Duration }
}

function makeOptions(terminal: Terminal, { signal }: ViewsCommandOptions): MakeOptions {
  const onProgress = ({ view, phase, elapsedMs, expectedMs }: RefreshProgress): void =>
    terminal.progress(
      `${view}: ${phase}, ${formatMs(elapsedMs)}${expectedMs === null ? "" : ` of about ${formatMs(expectedMs)}`}`,
    )
  return { signal, onProgress }
}

function print(terminal: Terminal, options: ViewsCommandOptions, value: unknown, text: string): void {
  terminal.progress(null)
  terminal.out(options.json === true ? JSON.stringify(value, null, 2) : text)
}

/** One line about a refresh. */
export function reportText({ view, outcome, concurrently, durationMs, rows, nextRun }: RefreshReport): string {
  const how =
    durationMs === null ? "" : ` in ${formatMs(durationMs)}${concurrently === true ? ", concurrently" : ""}, about ${rows} rows`
  return `${view}: ${outcome}${how}${nextRun === null ? "" : `; next ${nextRun.toISOString()}`}`
}

function shown(terminal: Terminal, options: ViewsCommandOptions, views: readonly ViewStatus[], many: boolean): number {
  if (options.json === true) terminal.out(JSON.stringify(many ? views : views[0], null, 2))
  else if (views.length === 0) terminal.out("No views are kept here.")
  else {
    const rows = views.map((view) => [
      `${view.schema}.${view.name}`,
      view.freshness,
      view.ageMs === null ? "" : formatMs(view.ageMs),
      view.strategy,
      view.nextRun?.toISOString().slice(0, 16).replace("T", " ") ?? "",
      view.bytes === null ? "" : formatBytes(view.bytes),
    ])
    terminal.out(table(["view", "freshness", "age", "refresh", "next", "size"], rows, terminal.width))
    for (const view of views)
      for (const problem of view.problems) terminal.out(wrap(`${view.schema}.${view.name}: ${problem}`, terminal.width))
  }
  return options.check === true && views.some(({ problems }) => problems.length > 0) ? 1 : 0
}
