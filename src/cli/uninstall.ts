import { nameOf, ownedObjects } from "../changes/index.ts"
import { components } from "../client/components.ts"
import { connect } from "../client/connect.ts"
import { uninstall } from "../client/diagnose.ts"
import { confirm } from "./confirm.ts"
import { indent, type Terminal } from "./terminal.ts"

export interface UninstallCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly views?: boolean | undefined
  readonly yes?: boolean | undefined
  readonly json?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * `selecto uninstall`: lists what is ours, asks, and drops it without CASCADE. Materialized views that we made stay unless --views;
 * adopted ones always do. Returns 1 where something that was to go could not.
 */
export async function uninstallCommand(terminal: Terminal, options: UninstallCommandOptions): Promise<number> {
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto uninstall" })
  const { objects, strangers } = await ownedObjects(
    selecto.database,
    components.map(({ name }) => name),
    { signal: options.signal },
  )
  if (objects.length === 0) {
    if (options.json === true) terminal.out(JSON.stringify({ dropped: [], kept: [] }, null, 2))
    else terminal.out("Nothing of ours is in this database.")
    return 0
  }
  for (const object of objects) terminal.note(nameOf(object))
  for (const one of strangers) terminal.note(`not ours, left alone: ${one}`)
  const question = `Drop these${options.views === true ? ", views among them" : ", views kept"}?`
  if (!(await confirm(question, options.yes, "selecto uninstall"))) return 0
  const { dropped, kept } = await uninstall(selecto, {
    views: options.views,
    signal: options.signal,
    onProgress: ({ object, done, of }) => terminal.progress(`${done + 1}/${of}: ${nameOf(object)}`),
  })
  terminal.progress(null)
  if (options.json === true) terminal.out(JSON.stringify({ dropped, kept }, null, 2))
  else {
    terminal.out(`${dropped.length} dropped`)
    for (const { object, reason, failed } of kept)
      terminal.out(indent(`${failed ? "not dropped" : "kept"}: ${nameOf(object)}: ${reason}`))
  }
  return kept.some(({ failed }) => failed) ? 1 : 0
}
