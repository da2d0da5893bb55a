import { fieldOf, isRecord, numberOf } from "./document.ts"
import type { Draft } from "./draft.ts"

/**
 * Tells compiling (JIT) apart from the work of the nodes that had to wait for it, once their times are known.
 *
 * @returns what it took of the statement's own time.
 */
export function attributeJit(drafts: readonly Draft[], total: number): number {
  const wall = wallTimeOf(drafts, total)
  if (wall > 0) place(drafts, wall)
  return wall
}

/**
 * What compiling took of the statement's own time, of the sum over all processes that the server gives: that of the process that
 * compiled longest where VERBOSE tells them apart, else an equal part.
 */
function wallTimeOf(drafts: readonly Draft[], total: number): number {
  let workers = 0
  let longest = 0
  for (const draft of drafts) {
    const list = fieldOf(draft.raw, "Workers")
    if (!Array.isArray(list)) continue
    for (const worker of list) {
      const jit = isRecord(worker) ? fieldOf(worker, "JIT") : null
      const timing = isRecord(jit) ? fieldOf(jit, "Timing") : null
      const one = isRecord(timing) ? (numberOf(fieldOf(timing, "Total")) ?? 0) : 0
      workers += one
      longest = Math.max(longest, one)
    }
  }
  if (workers > 0) return Math.min(total, Math.max(longest, total - workers))
  return total / drafts.reduce((most, draft) => Math.max(most, draft.participants), 1)
}

/**
 * Compiling happens inside the first node that evaluates an expression, and looks like that node's own work. The node is found by
 * going down from the root as long as a child's first row took at least as long as compiling.
 */
function place(drafts: readonly Draft[], wall: number): void {
  const root = drafts[0]
  if (root === undefined) return
  let node = root
  for (;;) {
    const next = node.children.find((child) => (child.actual?.loops ?? 0) > 0 && (child.actual!.startupTime ?? 0) >= wall * 0.5)
    if (next === undefined) break
    node = next
  }
  let left = wall
  for (let at: Draft | null = node; at !== null && left > 0; at = at.parent) {
    const taken = Math.min(left, at.time ?? 0)
    at.jitTime = taken
    left -= taken
  }
}
