import type { QueryOptions, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier, quoteLiteral } from "../sql/identifier.ts"
import { treeLimits } from "./root-transaction.ts"
import { definer } from "./schema-since.ts"

export type TriggerEvent = "insert" | "update" | "delete" | "truncate"

/** A plpgsql trigger function of schema `selecto`. */
export interface TriggerFunction {
  /** Begins with the component's name and an underscore. */
  readonly name: string
  /**
   * `declare … begin … end`, made by us as SECURITY DEFINER with an empty search path, and dropped with the last trigger that calls
   * it; null: a migration made it. `tg_argv[0]` is the root's oid where the trigger's table is not the root itself. With `transition`
   * the rows are `old_rows` and `new_rows`.
   */
  readonly body: string | null
}

/** A trigger that every table of a tree is to have: the table itself, each partition at every level, each child. */
export interface TriggerSpec {
  /** Its name within the set. */
  readonly part: string
  /** One event only where `transition` is true. */
  readonly events: readonly TriggerEvent[]
  /** Row triggers stand on what holds rows: not on partitioned tables. */
  readonly level: "statement" | "row"
  /** Statement triggers of insert, update or delete only. Default false. */
  readonly transition?: boolean | undefined
  /** "subscribed": only where a subscription of logical replication writes, which fires no statement trigger. Default "all". */
  readonly members?: "all" | "subscribed" | undefined
  readonly function: TriggerFunction
}

/** Triggers that stand and fall together. All of them are AFTER triggers, and ENABLE ALWAYS. */
export interface TriggerSet {
  /** The {@link Component} it belongs to. */
  readonly component: string
  /** Unique within component and table; any text. */
  readonly name: string
  readonly triggers: readonly TriggerSpec[]
}

/** Says of a function that it came with a trigger set, and goes with it. */
const madeTag = "selecto:trigger-set"

/**
 * Makes a set what it is now to be, on a root that this transaction has prepared ({@link prepareRoot}). An empty list of triggers takes
 * the set away. The caller ends with {@link settle}, once for all its sets.
 */
export async function putTriggerSet(
  session: Session,
  root: number,
  set: TriggerSet,
  options: QueryOptions = treeLimits,
): Promise<void> {
  const run = (text: string, values: readonly unknown[] = []): Promise<unknown> =>
    session.query({ text: `${text} /* selecto:changes */`, values }, options)
  for (const trigger of set.triggers) check(set, trigger)
  const functions = new Map(set.triggers.map(({ function: { name, body } }) => [name, body]))
  for (const [name, body] of functions) {
    if (body === null) continue
    const call = `selecto.${quoteIdentifier(name)}()`
    await run(`create or replace function ${call} returns trigger language plpgsql ${definer} as ${quoteLiteral(body)}`)
    await run(`revoke execute on function ${call} from public`)
    await run(`comment on function ${call} is ${quoteLiteral(madeTag)}`)
  }
  await run("delete from selecto.changes_trigger where root = $1 and component = $2 and set_name = $3", [
    root,
    set.component,
    set.name,
  ])
  for (const { part, events, level, transition, members, function: call } of set.triggers)
    await run(
      `insert into selecto.changes_trigger (root, component, set_name, part, events, level, transition, members, function)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [root, set.component, set.name, part, events, level, transition ?? false, members ?? "all", call.name],
    )
}

/**
 * Takes the tree as it is now: triggers made and dropped on every member, members and fingerprint noted, and a change logged, so that
 * everything derived before counts as stale. Functions of sets that no trigger calls any more are dropped.
 */
export async function settle(session: Session, root: number, options: QueryOptions = treeLimits): Promise<string[]> {
  const { rows } = await session.query<{ done: string }>(
    { text: "select unnest(selecto.changes_settle($1)) as done /* selecto:changes */", values: [root] },
    options,
  )
  const { rows: unused } = await session.query<{ name: string }>({ text: unusedText, values: [madeTag] }, options)
  for (const { name } of unused)
    await session.query({ text: `drop function selecto.${quoteIdentifier(name)}() /* selecto:changes */`, values: [] }, options)
  return rows.map(({ done }) => done)
}

const unusedText = `
select p.proname::text as name from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'selecto' and pg_catalog.obj_description(p.oid, 'pg_proc') = $1
  and not exists (select from selecto.changes_trigger t where t.function = p.proname)
  and not exists (select from pg_catalog.pg_trigger g where g.tgfoid = p.oid) /* selecto:changes */`

function check({ component, name }: TriggerSet, { part, events, level, transition, function: call }: TriggerSpec): void {
  const wrong = (what: string): never => {
    throw new SelectoError("E_INVALID_OPTION", `The trigger ${part} of the set ${name} ${what}.`, { path: part })
  }
  if (!call.name.startsWith(`${component}_`)) wrong(`calls ${call.name}, whose name must begin with ${component}_`)
  if (events.length === 0) wrong("has no event")
  if (level === "row" && (events.includes("truncate") || transition === true))
    wrong("is for each row, which has neither TRUNCATE nor transition tables")
  if (transition === true && (events.length !== 1 || events.includes("truncate")))
    wrong("has transition tables, which takes exactly one event of insert, update and delete")
}
