import type { Database, QueryOptions } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import { isSelectoError } from "../errors.ts"
import { nameOf, type OwnedObject, ownedObjects } from "./owned.ts"
import { isPassing, type RetryOptions, retrying } from "./retry.ts"

export interface RemoveOptions extends RetryOptions {
  /** Only what belongs to these; default all. */
  readonly components?: readonly string[] | undefined
  /** Views and tables outside of schema selecto, which a component made and users read: dropped too. Default false. */
  readonly views?: boolean | undefined
  readonly onProgress?:
    | ((event: { readonly object: OwnedObject; readonly done: number; readonly of: number }) => void)
    | undefined
}

export interface RemoveReport {
  readonly dropped: readonly OwnedObject[]
  /** What stays, and why. */
  readonly kept: readonly { readonly object: OwnedObject; readonly reason: string; readonly failed: boolean }[]
}

const query: QueryOptions = { timeoutMs: 60_000 }

/** What is dropped in one transaction, all or nothing. */
interface Unit {
  readonly objects: readonly OwnedObject[]
  /** The component whose version is forgotten with it. */
  readonly component: string | null
}

/**
 * Drops what is ours, with a lock timeout and never with CASCADE: what something of the user's depends on stays, with the reason. Each
 * trigger and each view is a transaction of its own, and so is each component's part of schema selecto. Cut short, it is completed by
 * the same call. The log and the functions stay as long as one trigger that needs them does: no table is ever left with a trigger that
 * fails. Errors: E_CONNECTION, E_ABORTED.
 */
export async function removeOwned(database: Database, options: RemoveOptions = {}): Promise<RemoveReport> {
  const { objects, strangers } = await ownedObjects(database, undefined, { ...query, signal: options.signal })
  const kept: { object: OwnedObject; reason: string; failed: boolean }[] = []
  const wanted: OwnedObject[] = []
  for (const object of objects) {
    const reason = reasonToKeep(object, objects, strangers, options)
    if (reason === null) wanted.push(object)
    else if (reason !== "") kept.push({ object, reason, failed: false })
  }
  const dropped: OwnedObject[] = []
  const keep = (unit: Unit, reason: string): void => {
    kept.push(...unit.objects.map((object) => ({ object, reason, failed: true })))
  }
  const drop = async (unit: Unit): Promise<string | null> => {
    options.onProgress?.({ object: unit.objects[0]!, done: dropped.length, of: wanted.length })
    const reason = await dropUnit(database, unit, options)
    if (reason === null) dropped.push(...unit.objects)
    return reason
  }
  const [triggers, rest] = unitsOf(wanted)
  let standing: OwnedObject | null = null
  for (const unit of triggers) {
    const reason = await drop(unit)
    if (reason === null) continue
    keep(unit, reason)
    standing = unit.objects[0]!
  }
  let left = rest
  if (standing !== null) for (const unit of left.splice(0)) keep(unit, `${nameOf(standing)} could not be dropped and needs it`)
  // Most of what depends on another of ours comes before it; what does not goes in the next round.
  const reasons = new Map<Unit, string>()
  for (let before = -1; left.length > 0 && left.length !== before; ) {
    before = left.length
    const still: Unit[] = []
    for (const unit of left) {
      const reason = unit.component === "selecto" && still.length > 0 ? "what it holds is still there" : await drop(unit)
      if (reason === null) continue
      reasons.set(unit, reason)
      still.push(unit)
    }
    left = still
  }
  for (const unit of left) keep(unit, reasons.get(unit)!)
  return { dropped, kept }
}

/** Triggers one by one; then views one by one, each component's part of schema selecto, and what is left of the schema. */
function unitsOf(objects: readonly OwnedObject[]): [triggers: Unit[], rest: Unit[]] {
  const triggers: Unit[] = []
  const views: Unit[] = []
  const components = new Map<string, OwnedObject[]>()
  for (const object of objects) {
    const single = { objects: [object], component: null }
    if (object.kind === "event trigger" || object.kind === "trigger") triggers.push(single)
    else if (isOutside(object)) views.push(single)
    else components.set(object.component, [...(components.get(object.component) ?? []), object])
  }
  const parts = [...components].map(([component, part]) => ({ objects: part, component }))
  return [triggers, [...views, ...parts.filter(isPart), ...parts.filter((part) => !isPart(part))]]
}

function isPart({ component }: Unit): boolean {
  return component !== "selecto"
}

/** A view or table that users read: not in our schema. */
function isOutside({ kind, schema }: OwnedObject): boolean {
  return kind !== "trigger" && schema !== null && schema !== "selecto"
}

/** Null: it goes; "": it is not asked for; else why it stays although it is. */
function reasonToKeep(
  object: OwnedObject,
  objects: readonly OwnedObject[],
  strangers: readonly string[],
  options: RemoveOptions,
): string | null {
  const { components, views } = options
  const asked = (one: OwnedObject): boolean => components === undefined || components.includes(one.component)
  if (object.component === "selecto") {
    const others = objects.some((one) => one.component !== "selecto" && !asked(one))
    if (others) return ""
    if (object.kind === "schema" && strangers.length > 0) return `it holds what is not ours: ${strangers.slice(0, 3).join(", ")}`
  } else if (!asked(object)) return ""
  if (views === true) return null
  if (isOutside(object)) return "views are kept unless asked for"
  // A view that triggers keep up would go stale without a word if they went.
  const upkept = objects.find(
    (view) => isOutside(view) && objects.some(({ kind, component }) => kind === "trigger" && component === view.component),
  )
  if (upkept !== undefined && [upkept.component, "changes", "selecto"].includes(object.component))
    return `${nameOf(upkept)} is kept, and kept up by it`
  return null
}

/** The reason why it could not be; null when it is gone. */
async function dropUnit(database: Database, { objects, component }: Unit, options: RetryOptions): Promise<string | null> {
  try {
    await retrying(options, (lockTimeoutMs) =>
      ownTransaction(database, { room: "changes", lockTimeoutMs, signal: options.signal }, async (session) => {
        const run = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
          session.query({ text: `${text} /* selecto:changes */`, values }, query)
        // Our own event triggers need not follow what takes them away.
        await run("select pg_catalog.set_config('selecto.arming', 'on', true)")
        if (component !== null && component !== "selecto")
          await run("delete from selecto.migration where component = $1", [component])
        for (const { drop } of objects) await run(drop)
      }),
    )
    return null
  } catch (error) {
    if (!isSelectoError(error, "E_DATABASE")) throw error
    // Gone by itself, with a table or through another process.
    if (objects.length === 1 && ["42704", "42P01", "42883", "3F000"].includes(error.sqlState ?? "")) return null
    return isPassing(error) ? "others hold locks on it: try again" : error.message
  }
}
