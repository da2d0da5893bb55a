import { randomUUID } from "node:crypto"
import type { Database } from "../database/database.ts"
import { ownTransaction } from "../database/own-transaction.ts"
import type { StatementShape } from "../sql/index.ts"
import { findTable, placeOf } from "./name.ts"
import { type Probe, probeView } from "./probe.ts"
import { createEmpty, readDefinition, type ViewSpec } from "./spec.ts"
import { limits } from "./state.ts"

/** How a view that is there differs from a definition. */
export interface ViewDiff {
  /** schema.name */
  readonly view: string
  /** "missing": nothing has this name; "taken": something else has; "same" or "differs": the view that has it. */
  readonly outcome: "missing" | "taken" | "same" | "differs"
  /** Definitions as PostgreSQL writes them, every name with its schema. */
  readonly wanted: string
  readonly present: string | null
  readonly columns: {
    readonly added: readonly string[]
    readonly removed: readonly string[]
    readonly changed: readonly { readonly name: string; readonly from: string; readonly to: string }[]
  }
}

/** What is learned of a definition before anything is made. */
export interface Examined {
  readonly place: { readonly schema: string; readonly name: string }
  readonly shape: StatementShape
  readonly wanted: Probe
  readonly present: Probe | null
  readonly diff: ViewDiff
}

/** Thrown to end a transaction that is to leave nothing behind. */
class Done<T> {
  readonly value: T
  constructor(value: T) {
    this.value = value
  }
}

/** Lets PostgreSQL read a definition, in a transaction that is rolled back, and holds it against what is there. */
export async function examine(
  database: Database,
  { name, text }: Pick<ViewSpec, "name" | "text">,
  timeZone: string,
  signal: AbortSignal | undefined,
): Promise<Examined> {
  const shape = await readDefinition(text)
  const query = { ...limits, signal }
  try {
    return await ownTransaction(database, { room: "views", signal }, async (session) => {
      const place = await placeOf(session, name, shape, query)
      const holder = await findTable(session, place.schema, place.name, query)
      const present = holder?.kind === "m" ? await probeView(session, holder.oid, query) : null
      const wanted = await createEmpty(session, probePlace(place), text, timeZone, query)
      throw new Done<Examined>({ place, shape, wanted, present, diff: diffOf(place, holder !== null, wanted, present) })
    })
  } catch (ended) {
    if (ended instanceof Done) return ended.value as Examined
    throw ended
  }
}

/** A name that nothing has, and that no other process tries at this moment. The transaction is rolled back: nobody ever sees it. */
function probePlace({ schema }: Examined["place"]): Examined["place"] {
  return { schema, name: `selecto_probe_${randomUUID().slice(0, 8)}` }
}

function diffOf({ schema, name }: Examined["place"], taken: boolean, wanted: Probe, present: Probe | null): ViewDiff {
  const before = new Map(present?.columns.map((column) => [column.name, column.type]))
  const after = new Map(wanted.columns.map((column) => [column.name, column.type]))
  const same = present !== null && present.definition === wanted.definition
  return {
    view: `${schema}.${name}`,
    outcome: !taken ? "missing" : present === null ? "taken" : same ? "same" : "differs",
    wanted: wanted.definition,
    present: present?.definition ?? null,
    columns: {
      added: present === null ? [] : [...after.keys()].filter((column) => !before.has(column)),
      removed: [...before.keys()].filter((column) => !after.has(column)),
      changed: [...after].flatMap(([column, to]) => {
        const from = before.get(column)
        return from === undefined || from === to ? [] : [{ name: column, from, to }]
      }),
    },
  }
}
