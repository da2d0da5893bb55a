import { numberOf } from "../document.ts"
import { type Facts, loopsOf, rowsOf } from "../facts.ts"
import type { PlanNode, PlanTrigger } from "../plan.ts"
import { bytes, count, nothingSaved, type Observation, percent, type Rule, time } from "./rule.ts"

const jitOverhead: Rule = {
  id: "jit_overhead",
  needs: "analyze",
  types: "statement",
  advice:
    "SET jit = off for such statements, or raise jit_above_cost, jit_inline_above_cost and jit_optimize_above_cost so that only long ones are compiled.",
  test(_root, facts): Observation | null {
    const wall = facts.plan.jit?.wallTime ?? null
    if (wall === null || facts.totalTime === null || wall < 0.25 * facts.totalTime || wall < 1) return null
    return {
      ms: wall,
      costPart: 0,
      anyway: true,
      message: `Compiling ${count(facts.plan.jit!.functions)} functions took ${time(wall)}, ${percent(Math.min(1, wall / facts.totalTime))} of the whole.`,
    }
  },
}

const highPlanningTime: Rule = {
  id: "high_planning_time",
  needs: "plan",
  types: "statement",
  advice:
    "Plan it once (a prepared statement), look at fewer partitions, join fewer tables at a time (join_collapse_limit), or drop indexes that nothing uses.",
  test(_root, facts): Observation | null {
    const planning = facts.plan.planningTime
    if (planning === null || facts.totalTime === null) return null
    if (planning < Math.max(10, 0.5 * facts.totalTime)) return null
    return {
      ms: planning - 1,
      costPart: 0,
      anyway: true,
      message: `Planning took ${time(planning)}, running ${time(facts.totalTime)}.`,
    }
  },
}

/** The node whose rows fired a trigger: the change of its table, else the topmost change. */
function changed(trigger: PlanTrigger, facts: Facts): PlanNode {
  const changes = facts.nodes.filter((node) => node.type === "ModifyTable")
  return changes.find((node) => node.relation?.name === trigger.relation) ?? changes[0] ?? facts.plan.root
}

/** The trigger that took longest, of foreign keys or of users, where it took a fifth of the whole. */
function slowest(facts: Facts, ofConstraint: boolean): (PlanTrigger & { readonly time: number }) | null {
  if (facts.totalTime === null) return null
  let most: (PlanTrigger & { readonly time: number }) | null = null
  for (const trigger of facts.plan.triggers) {
    if (trigger.time === null || (trigger.constraint !== null) !== ofConstraint) continue
    if (trigger.time >= 0.2 * facts.totalTime && trigger.time > (most?.time ?? 0)) most = { ...trigger, time: trigger.time }
  }
  return most
}

const unindexedForeignKey: Rule = {
  id: "unindexed_foreign_key",
  needs: "analyze",
  types: "statement",
  advice:
    "Index the referencing columns of that constraint, in the table that points here: every deleted or changed key is looked up there.",
  test(_root, facts): Observation | null {
    const trigger = slowest(facts, true)
    // Looked up by an index a key takes a few hundredths of a millisecond.
    if (trigger === null || trigger.calls === 0 || trigger.time / trigger.calls < 1) return null
    return {
      at: changed(trigger, facts),
      ms: trigger.time * 0.95,
      costPart: 0,
      anyway: true,
      message: `Checking the foreign key ${trigger.constraint} took ${time(trigger.time)} for ${count(trigger.calls)} rows, ${time(trigger.time / trigger.calls)} each: the table that references ${trigger.relation ?? "this one"} is read from beginning to end.`,
    }
  },
}

const slowTrigger: Rule = {
  id: "slow_trigger",
  needs: "analyze",
  types: "statement",
  advice:
    "Let the trigger run once for the statement (FOR EACH STATEMENT with transition tables), only where it matters (WHEN), or do its work elsewhere.",
  test(_root, facts): Observation | null {
    const trigger = slowest(facts, false)
    if (trigger === null || trigger.time < 1) return null
    // What every row costs a little is not slow, unless it is most of the work.
    if (trigger.time / Math.max(1, trigger.calls) < 0.1 && trigger.time < 0.5 * facts.totalTime!) return null
    return {
      at: changed(trigger, facts),
      ms: trigger.time * 0.8,
      costPart: 0,
      anyway: true,
      message: `The trigger ${trigger.name} took ${time(trigger.time)} in ${count(trigger.calls)} calls, ${percent(Math.min(1, trigger.time / facts.totalTime!))} of the whole.`,
    }
  },
}

const serializationOverhead: Rule = {
  id: "serialization_overhead",
  needs: "analyze",
  types: "statement",
  advice:
    "Turning the result into text takes longer than finding it: select fewer and narrower columns, or let the client ask for the binary format.",
  test(_root, facts): Observation | null {
    const { serialization } = facts.plan
    if (
      serialization?.time == null ||
      facts.totalTime === null ||
      serialization.time < 0.25 * facts.totalTime ||
      serialization.time < 1
    )
      return null
    return {
      ms: serialization.time,
      costPart: 0,
      anyway: true,
      message: `Writing the result took ${time(serialization.time)}, ${percent(Math.min(1, serialization.time / facts.totalTime))} of the whole${serialization.bytes === null ? "" : ` (${bytes(serialization.bytes)})`}.`,
    }
  },
}

const timingOverhead: Rule = {
  id: "timing_overhead",
  needs: "analyze",
  types: "statement",
  advice: "Ask with TIMING OFF: rows and buffers stay exact, and the statement is not slowed down by being watched.",
  test(_root, facts): Observation | null {
    const plain = facts.context.untimedMs
    const calls = facts.nodes.reduce((sum, node) => sum + rowsOf(node) + loopsOf(node), 0)
    if (plain === undefined || facts.totalTime === null || calls < 1_000_000 || facts.totalTime < 1.5 * plain) return null
    return {
      ...nothingSaved,
      anyway: true,
      severity: "info",
      message: `Measured it took ${time(facts.totalTime)}, without measuring ${time(plain)}: reading the clock ${count(calls)} times is most of the difference.`,
    }
  },
}

const disableCost = 1e10

/** Forbidden by an enable_ setting and used all the same, because there was no other way. */
function isDisabled(node: PlanNode): boolean {
  if (node.raw.Disabled === true) return true
  const surcharges = (cost: unknown): number => Math.floor((numberOf(cost) ?? 0) / disableCost)
  const own = surcharges(node.totalCost)
  return own > 0 && own > node.children.reduce((sum, child) => sum + surcharges(child.totalCost), 0)
}

const disabledNode: Rule = {
  id: "disabled_node",
  needs: "plan",
  types: "any",
  advice: "Take the enable_ setting back: it forbids the only way there is, or the one that would have been chosen.",
  test(node): Observation | null {
    if (!isDisabled(node)) return null
    return {
      ...nothingSaved,
      anyway: true,
      severity: "low",
      message: `${node.type} is switched off by a setting (enable_…), and used because nothing else could do it.`,
    }
  },
}

const plannerSettings: Rule = {
  id: "planner_settings_overridden",
  needs: "plan",
  types: "statement",
  advice: "Such settings are for finding out; where they stay, the planner cannot choose. RESET them.",
  test(_root, facts): Observation | null {
    const off = Object.entries(facts.plan.settings).filter(([name, value]) => name.startsWith("enable_") && value === "off")
    if (off.length === 0) return null
    return {
      ...nothingSaved,
      anyway: true,
      severity: "info",
      message: `Switched off for this plan: ${off.map(([name]) => name).join(", ")}.`,
    }
  },
}

export const statementRules: readonly Rule[] = [
  jitOverhead,
  highPlanningTime,
  unindexedForeignKey,
  slowTrigger,
  serializationOverhead,
  timingOverhead,
  disabledNode,
  plannerSettings,
]
