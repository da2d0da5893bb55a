import { connect } from "../client/connect.ts"
import { type Diagnosis, diagnose, repair } from "../client/diagnose.ts"
import { grantScript } from "../client/grants.ts"
import { formatBytes, indent, type Terminal, table, wrap } from "./terminal.ts"

export interface DoctorCommandOptions {
  readonly databaseUrl?: string | undefined
  readonly grants?: boolean | undefined
  readonly repair?: boolean | undefined
  readonly json?: boolean | undefined
  readonly check?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * `selecto doctor`: what server, role and connection can do, what is in the database because of us, what is amiss. Changes nothing
 * without --repair. Returns 1 with --check where something is amiss.
 */
export async function doctorCommand(terminal: Terminal, options: DoctorCommandOptions): Promise<number> {
  await using selecto = connect(options.databaseUrl ?? process.env.DATABASE_URL, { applicationName: "selecto doctor" })
  if (options.grants === true) {
    terminal.out(await grantScript(selecto, { signal: options.signal }))
    return 0
  }
  if (options.repair === true) {
    const { moved, done, failed } = await repair(selecto, { signal: options.signal })
    if (moved) terminal.note("this state came from another database or server: everything derived before is stale")
    for (const one of done) terminal.note(one)
    for (const { error } of failed) terminal.note(`not put right: ${error.message}`)
  }
  const diagnosis = await diagnose(selecto, { signal: options.signal })
  if (options.json === true) terminal.out(JSON.stringify(diagnosis, null, 2))
  else report(terminal, diagnosis)
  return options.check === true && diagnosis.findings.some(({ severity }) => severity !== "info") ? 1 : 0
}

function report(terminal: Terminal, diagnosis: Diagnosis): void {
  const { capabilities, findings } = diagnosis
  const { serverVersion, role, replica, pooler, sessions, extensions, rights } = capabilities
  const place = [replica ? "a standby" : "a primary", pooler === null ? null : `behind a pooler (${pooler})`]
  if (sessions === "one") place.push("one session")
  terminal.out(
    `PostgreSQL ${Math.floor(serverVersion / 10_000)}.${serverVersion % 10_000}, role ${role}, ${place.filter(Boolean).join(", ")}`,
  )
  const names = Object.entries(extensions).map(([name, { version }]) => `${name} ${version}`)
  terminal.out(`extensions: ${names.join(", ")}\n`)
  const lacking = Object.entries(rights).map(([right, { granted, grant }]) => [right, granted ? "yes" : "no", grant ?? ""])
  terminal.out(`${table(["right", "granted", "to have it"], lacking, terminal.width)}\n`)
  ours(terminal, diagnosis)
  if (findings.length === 0) terminal.out("Nothing is amiss.")
  for (const { severity, object, message, fix } of findings) {
    terminal.out(wrap(`${severity}: ${object === null ? "" : `${object}: `}${message}`, terminal.width))
    if (fix !== null) terminal.out(indent(`to put right: ${fix}`))
  }
}

function ours(terminal: Terminal, { components, objects, tracking }: Diagnosis): void {
  if (objects.length === 0) {
    terminal.out("Nothing of ours is in this database.\n")
    return
  }
  const installed = components.filter((one) => one.installed !== null).map(({ name, installed: version }) => `${name} ${version}`)
  terminal.out(`in this database (${installed.join(", ")}):`)
  const rows = objects
    .filter(({ kind }) => kind !== "function")
    .map(({ kind, schema, name, on, component, bytes }) => [
      kind,
      on === null ? (schema === null ? name : `${schema}.${name}`) : `${name} on ${on}`,
      component,
      bytes === null ? "" : formatBytes(bytes),
    ])
  terminal.out(table(["kind", "name", "of", "size"], rows, terminal.width))
  terminal.out(`and ${objects.length - rows.length} functions in schema selecto\n`)
  if (tracking === null || tracking.relations.length === 0) return
  const tracked = tracking.relations.map(({ schema, name, log, notify, keys, members, owners }) => [
    `${schema}.${name}`,
    [log ? "log" : null, notify ? `notify${keys.length > 0 ? ` (${keys.join(", ")})` : ""}` : null].filter(Boolean).join(", "),
    String(members),
    owners.join(", "),
  ])
  terminal.out(`${table(["tracked", "how", "tables", "for"], tracked, terminal.width)}\n`)
}
