import { connect } from "../client/connect.ts"
import { SelectoError } from "../errors.ts"
import type { Terminal } from "./terminal.ts"
import { reportText } from "./views.ts"

export interface WorkCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly once?: boolean | undefined
  readonly json?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** `selecto work --once`: refreshes the views that are due. Returns 1 where one failed. */
export async function workCommand(terminal: Terminal, options: WorkCommandOptions): Promise<number> {
  if (options.once !== true)
    throw new SelectoError(
      "E_INVALID_OPTION",
      "selecto work refreshes what is due and ends: say --once. A process that goes on is selecto.views.start().",
      { path: "once" },
    )
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto work" })
  const { signal } = options
  const report = await selecto.views.work({ signal })
  const failed = report.failed.map(({ views, error }) => ({ views, code: error.code, message: error.message }))
  if (options.json === true) terminal.out(JSON.stringify({ ...report, failed }, null, 2))
  else {
    for (const one of report.refreshed) terminal.out(reportText(one))
    for (const view of report.busy) terminal.out(`${view}: another process works on it`)
    for (const { views, code, message } of failed) terminal.out(`${views.join(", ")}: failed: ${code}: ${message}`)
    terminal.out(report.nextRun === null ? "Nothing more is planned." : `next: ${report.nextRun.toISOString()}`)
  }
  return failed.length > 0 ? 1 : 0
}
