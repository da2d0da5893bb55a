import { columnsOf, readCondition } from "../condition.ts"
import { ancestors, child, executed, type Facts, loopsOf, rowsOf, subtree, text, texts, totalOf } from "../facts.ts"
import type { PlanNode } from "../plan.ts"
import { orAcrossTables } from "./filter.ts"
import { bytes, count, type Observation, percent, type Rule, savingBelow, savingOf, tableOf } from "./rule.ts"

const joins = ["Nested Loop", "Hash Join", "Merge Join"] as const

/** Nodes through which a nested loop runs its inner side anew each time: nothing of theirs is kept between two loops. */
const rerun = new Set([
  "Limit",
  "Sort",
  "Aggregate",
  "Subquery Scan",
  "Result",
  "Incremental Sort",
  "Unique",
  "Append",
  "WindowAgg",
  "ProjectSet",
  "Nested Loop",
  "Hash Join",
  "Hash",
  "LockRows",
])

/** The nested loop that runs this node once for every row of its outer side, or null. */
function loopAbove(node: PlanNode, facts: Facts): PlanNode | null {
  let below = node
  for (const above of ancestors(node, facts)) {
    if (above.type === "Nested Loop" && below.relationship === "Inner") return above
    if (!rerun.has(above.type) || below.relationship === "SubPlan" || below.relationship === "InitPlan") return null
    below = above
  }
  return null
}

const innerSeqScan: Rule = {
  id: "nested_loop_inner_seq_scan",
  needs: "plan",
  types: ["Seq Scan"],
  advice:
    "Index the column that the loop looks up, so that each loop reads a few rows; if the outer side was expected to be small, mend that estimate, and the planner will hash instead.",
  test(node, facts): Observation | null {
    const loop = loopAbove(node, facts)
    if (loop === null) return null
    const outer = child(loop, "Outer")
    if (facts.analyzed) {
      const loops = loopsOf(node)
      const visited = rowsOf(node) + totalOf(node, "Rows Removed by Filter")
      if (loops < 10 || visited < 100_000) return null
      // One pass remains, to build a hash table or an index of it.
      return {
        ...savingOf(node, 1 - 1 / loops, facts),
        message: `${tableOf(node)} is read from beginning to end ${count(loops)} times, once for every row of the outer side: ${count(visited)} rows in all.`,
      }
    }
    const rows = outer?.planRows ?? 0
    if (rows < 100 || (node.totalCost ?? 0) < 10) return null
    return {
      ...savingOf(node, 1 - 1 / rows, facts),
      message: `${tableOf(node)} will be read from beginning to end for each of about ${count(rows)} rows of the outer side.`,
    }
  },
}

const innerRescan: Rule = {
  id: "nested_loop_inner_rescan",
  needs: "analyze",
  types: ["Nested Loop"],
  advice:
    "Join by equality, which can be hashed; for ranges, index them (GiST on a range type). If far fewer outer rows were expected, mend that estimate.",
  test(node, facts): Observation | null {
    const inner = child(node, "Inner")
    const outer = child(node, "Outer")
    if (inner === null || outer === null || !executed(inner)) return null
    if (inner.type === "Seq Scan" || facts.recursive.has(outer)) return null
    const loops = loopsOf(inner)
    const discarded = totalOf(node, "Rows Removed by Join Filter")
    const own = savingOf(node, 0.8, facts)
    const below = savingBelow(inner, 0.8, facts)
    const ms = own.ms === null || below.ms === null ? null : own.ms + below.ms
    const share = ms === null ? own.costPart + below.costPart : ms / 0.8 / Math.max(facts.totalTime ?? 1, 1e-9)
    const underestimated = (outer.actual?.rows ?? 0) >= 10 * Math.max(1, outer.planRows ?? 1)
    const expensive = loops >= 1000 && share >= 0.25 && underestimated
    const quadratic = inner.type === "Materialize" && discarded >= 1_000_000
    if (!expensive && !quadratic) return null
    return {
      at: inner,
      ms,
      costPart: own.costPart + below.costPart,
      message: quadratic
        ? `Every one of ${count(rowsOf(outer))} outer rows is compared with every inner row, and ${count(discarded)} pairs are thrown away.`
        : `The inner side runs ${count(loops)} times, because the outer side gave ${count(rowsOf(outer))} rows where ${count(outer.planRows ?? 0)} were expected.`,
    }
  },
}

const cartesianJoin: Rule = {
  id: "cartesian_join",
  needs: "plan",
  types: ["Nested Loop"],
  advice:
    "A join condition is missing: name the columns by which the two sides belong together. If every pair is meant, say CROSS JOIN and keep both sides small.",
  test(node, facts): Observation | null {
    const outer = child(node, "Outer")
    const inner = child(node, "Inner")
    const kind = text(node, "Join Type")
    if (outer === null || inner === null || text(node, "Join Filter") !== null || kind === "Semi" || kind === "Anti") return null
    if (refersTo(inner, outer)) return null
    if (facts.analyzed) {
      if (!executed(node) || !executed(inner)) return null
      const left = rowsOf(outer)
      const right = inner.actual!.rows
      // A single row on one side multiplies nothing.
      if (left / Math.max(1, loopsOf(outer)) < 2 || right < 2 || left * right < 100_000 || rowsOf(node) < 0.9 * left * right)
        return null
      return { ...savingBelow(node, 0.9, facts), ...tell(left, right) }
    }
    const left = outer.planRows ?? 0
    const right = inner.planRows ?? 0
    if (left < 2 || right < 2 || left * right < 100_000 || (node.planRows ?? 0) < 0.9 * left * right) return null
    return { ...savingBelow(node, 0.9, facts), ...tell(left, right) }
  },
}

function tell(left: number, right: number): { message: string } {
  return {
    message: `Every one of ${count(left)} rows is paired with every one of ${count(right)}: no condition joins the two sides.`,
  }
}

/** Names under which the rows of a subtree may be referred to. */
function aliasesOf(node: PlanNode): Set<string> {
  const names = new Set<string>()
  for (const one of subtree(node)) {
    if (one.relation?.alias) names.add(one.relation.alias)
    else if (one.relation !== null) names.add(one.relation.name)
    const alias = one.raw.Alias
    if (typeof alias === "string") names.add(alias)
  }
  return names
}

const conditionFields = [
  "Index Cond",
  "Recheck Cond",
  "Filter",
  "Hash Cond",
  "Merge Cond",
  "Join Filter",
  "TID Cond",
  "One-Time Filter",
  "Function Call",
  "Cache Key",
  "Order By",
  "Table Function Call",
  "Output",
]

/** Whether a subtree uses a column of the other side: then it is looked up, not paired. */
function refersTo(inner: PlanNode, outer: PlanNode): boolean {
  const names = aliasesOf(outer)
  const own = aliasesOf(inner)
  for (const node of subtree(inner)) {
    if (node.type === "Memoize") return true
    for (const field of conditionFields) {
      for (const condition of texts(node, field)) {
        const pieces = readCondition(condition)
        if (pieces === null) return true
        for (const column of columnsOf(pieces)) {
          const qualifier = column.qualifier?.replaceAll('"', "")
          if (qualifier !== undefined && names.has(qualifier) && !own.has(qualifier)) return true
        }
      }
    }
    // Functions and remote queries take parameters that the text does not always name.
    if (node.type === "Foreign Scan" && /\$\d/.test(text(node, "Remote SQL") ?? "")) return true
  }
  return false
}

const orTables: Rule = {
  id: "or_across_tables",
  needs: "plan",
  types: joins,
  advice: "Write the alternatives as two queries joined by UNION: each can then look up its own side by an index.",
  test(node, facts): Observation | null {
    for (const field of ["Join Filter", "Filter"]) {
      const condition = text(node, field)
      const relations = condition === null ? null : orAcrossTables(condition)
      if (relations === null) continue
      const discarded = totalOf(node, field === "Filter" ? "Rows Removed by Filter" : "Rows Removed by Join Filter")
      if (facts.analyzed && (discarded < 10_000 || discarded < 10 * rowsOf(node))) continue
      if (!facts.analyzed && (node.inclusive.cost ?? 0) < 1000) continue
      const part = facts.analyzed ? discarded / (discarded + Math.max(1, rowsOf(node))) : 0.5
      return {
        ...savingBelow(node, part * 0.9, facts),
        message: `The condition joins ${relations.join(" and ")} by OR, so neither can be narrowed before they are joined${facts.analyzed ? `: ${count(discarded)} joined rows were thrown away` : ""}.`,
      }
    }
    return null
  },
}

const joinFilterDiscards: Rule = {
  id: "join_filter_discards",
  needs: "analyze",
  types: joins,
  advice:
    "Make the condition part of the join's key, or narrow one side before joining; for a comparison of ranges use a range type with a GiST index.",
  test(node, facts): Observation | null {
    const discarded = totalOf(node, "Rows Removed by Join Filter")
    const kept = rowsOf(node)
    if (discarded < 100_000 || discarded < 10 * kept) return null
    const inner = child(node, "Inner")
    // Compared with a single row it is a filter like any other.
    if (node.children.some((side) => executed(side) && side.actual!.rows <= 1 && loopsOf(side) <= loopsOf(node))) return null
    // The pairs of a nested loop are made by its inner side: told there, when it has to be gone through again and again.
    const part = discarded / (discarded + Math.max(1, kept))
    const saving = savingOf(node, part, facts)
    const scanned = node.type === "Nested Loop" && inner !== null ? savingBelow(inner, part, facts) : { ms: 0, costPart: 0 }
    return {
      ms: saving.ms === null || scanned.ms === null ? null : saving.ms + scanned.ms,
      costPart: saving.costPart + scanned.costPart,
      message: `The join makes ${count(discarded + kept)} pairs, and its filter throws away ${percent(part)} of them.`,
    }
  },
}

const memoizeThrash: Rule = {
  id: "memoize_thrash",
  needs: "analyze",
  types: ["Memoize"],
  advice:
    "Raise work_mem so that the cache holds the keys, or let the planner hash the join; if it took the keys to be fewer, set n_distinct for the column and ANALYZE.",
  test(node, facts): Observation | null {
    const sum = (field: string): number => {
      const workers = node.raw.Workers
      const own = typeof node.raw[field] === "number" ? (node.raw[field] as number) : 0
      if (!Array.isArray(workers)) return own
      return workers.reduce(
        (total: number, worker: Record<string, unknown>) =>
          total + (typeof worker?.[field] === "number" ? (worker[field] as number) : 0),
        own,
      )
    }
    const hits = sum("Cache Hits")
    const misses = sum("Cache Misses")
    const thrown = sum("Cache Evictions") + sum("Cache Overflows")
    if (thrown === 0 || misses < 1000 || hits / Math.max(1, hits + misses) >= 0.5) return null
    return {
      ...savingBelow(node, 0.5, facts),
      availableMemory: facts.hashMem,
      message: `The cache of looked-up rows is too small: ${count(misses)} of ${count(hits + misses)} look-ups missed it, and ${count(thrown)} entries were thrown out to make room (${bytes(facts.hashMem)} may be used).`,
    }
  },
}

export const joinRules: readonly Rule[] = [innerSeqScan, innerRescan, cartesianJoin, orTables, joinFilterDiscards, memoizeThrash]
