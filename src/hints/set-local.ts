import type { JoinMethod, ScanMethod } from "./catalogue.ts"
import type { Mechanism, Offer } from "./mechanism.ts"
import type { ResolvedHint } from "./resolve.ts"
import { settingEntry } from "./setting.ts"

const scanSwitches: Readonly<Record<Exclude<ScanMethod, "any_index">, string>> = {
  seq: "enable_seqscan",
  index: "enable_indexscan",
  index_only: "enable_indexonlyscan",
  bitmap: "enable_bitmapscan",
  tid: "enable_tidscan",
}
/** Ways of scanning that are left out of the competition when one is demanded. A scan by address takes part only where ctid is asked for. */
const scanRivals: Readonly<Record<ScanMethod, readonly string[]>> = {
  seq: ["enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"],
  index: ["enable_seqscan", "enable_indexonlyscan", "enable_bitmapscan"],
  index_only: ["enable_seqscan", "enable_bitmapscan"],
  bitmap: ["enable_seqscan", "enable_indexscan", "enable_indexonlyscan"],
  tid: ["enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"],
  any_index: ["enable_seqscan"],
}
const joinSwitches: Readonly<Record<JoinMethod, string>> = {
  nested_loop: "enable_nestloop",
  hash: "enable_hashjoin",
  merge: "enable_mergejoin",
}

/**
 * Settings for the one statement, by SET LOCAL in its transaction. The server's own switches are for a whole statement; what
 * they stand in for is seen by checking the plan.
 */
export const setLocal: Mechanism = {
  name: "set_local",
  offer(hint, { server }) {
    if (hint.kind === "setting") {
      const since = settingEntry(hint.setting)!.since
      if (server.version < since) return `${hint.setting} exists from PostgreSQL ${since}`
      return { settings: { [hint.setting]: hint.text }, scope: "statement" }
    }
    return switchesOf(hint, server.version)
  },
}

function switchesOf(hint: Exclude<ResolvedHint, { kind: "setting" }>, version: number): Offer | string {
  switch (hint.kind) {
    case "scan": {
      if (hint.forbid)
        return off(
          hint.method === "index" ? ["enable_indexscan", "enable_indexonlyscan"] : [scanSwitches[hint.method as "seq"]],
          [],
        )
      const keeps =
        hint.method === "any_index"
          ? []
          : hint.method === "index_only"
            ? ["enable_indexonlyscan", "enable_indexscan"]
            : [scanSwitches[hint.method]]
      const named = hint.indexes.length > 0 || hint.matching !== null
      return off(scanRivals[hint.method], keeps, named ? "no setting names an index: the planner chooses which one" : undefined)
    }
    case "join": {
      const own = joinSwitches[hint.method]
      if (hint.forbid) return off([own], [])
      return off(
        Object.values(joinSwitches).filter((name) => name !== own),
        [own],
      )
    }
    case "memoize":
      if (!hint.forbid) return "without pg_hint_plan memoizing is the planner's own choice"
      return version < 14 ? "enable_memoize exists from PostgreSQL 14" : off(["enable_memoize"], [])
    case "parallel": {
      const workers = { max_parallel_workers_per_gather: String(hint.workers) }
      if (hint.mode === "soft" || hint.workers === 0) return { settings: workers, scope: "statement" }
      const free = {
        parallel_setup_cost: "0",
        parallel_tuple_cost: "0",
        min_parallel_table_scan_size: "0",
        min_parallel_index_scan_size: "0",
      }
      return {
        settings: { ...workers, ...free },
        scope: "statement",
        remark: "a small table gets fewer workers than were asked for",
      }
    }
    case "rows":
      return "no setting corrects an estimate"
    case "order":
      return "no setting names an order"
    case "cte":
      return "no setting is about WITH queries"
    case "index_off":
      return "no setting names an index"
  }
}

function off(names: readonly string[], keeps: readonly string[], remark?: string): Offer {
  return { settings: Object.fromEntries(names.map((name) => [name, "off"])), keeps, scope: "statement", remark }
}
