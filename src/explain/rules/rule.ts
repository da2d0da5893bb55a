import type { Facts } from "../facts.ts"
import { ownTime } from "../facts.ts"
import type { PlanIssue, PlanIssueId, Severity } from "../issue.ts"
import type { PlanNode } from "../plan.ts"

/** What a plan must hold before a rule can be asked. */
export type Need = "plan" | "analyze"

/** What a rule saw at a node. */
export interface Observation extends Partial<Pick<PlanIssue, "estimatedMemory" | "availableMemory" | "columns" | "confirmed">> {
  /** The node to name, where it is not the one that was asked about. */
  readonly at?: PlanNode | undefined
  /** Milliseconds that mending it would save; null where nothing was timed. */
  readonly ms: number | null
  /** Part of the statement's cost, used where there are no times. */
  readonly costPart: number
  readonly message: string
  readonly advice?: string | undefined
  /** Reported even when it would save less than the floor: the evidence is not a time. */
  readonly anyway?: boolean | undefined
  /** Instead of the one that the saving would give. */
  readonly severity?: Severity | undefined
}

/** One thing that can be wrong with a plan. */
export interface Rule {
  readonly id: PlanIssueId
  readonly needs: Need
  /** Node types it is asked about; "any" node; or "statement": once, at the root. */
  readonly types: readonly string[] | "any" | "statement"
  readonly advice: string
  test(node: PlanNode, facts: Facts): Observation | null
}

/** The saving when `part` of a node's own effort goes away. */
export function savingOf(node: PlanNode, part: number, facts: Facts): Pick<Observation, "ms" | "costPart"> {
  const time = ownTime(node)
  return {
    ms: time === null ? null : time * part,
    costPart: facts.totalCost > 0 ? ((node.exclusive.cost ?? 0) / facts.totalCost) * part : 0,
  }
}

/** The saving when `part` of a node and of everything below it goes away. */
export function savingBelow(node: PlanNode, part: number, facts: Facts): Pick<Observation, "ms" | "costPart"> {
  return {
    ms: node.inclusive.time === null ? null : node.inclusive.time * part,
    costPart: facts.totalCost > 0 ? ((node.inclusive.cost ?? 0) / facts.totalCost) * part : 0,
  }
}

/** A finding with nothing to save by itself. */
export const nothingSaved: Pick<Observation, "ms" | "costPart"> = { ms: null, costPart: 0 }

const units = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })

/** 1234567 as "1,234,567". */
export function count(value: number): string {
  return units.format(Math.round(value))
}

/** Milliseconds for reading. */
export function time(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms >= 10 ? ms.toFixed(0) : ms.toFixed(1)} ms`
}

/** Bytes for reading. */
export function bytes(value: number): string {
  if (value >= 1024 ** 3) return `${(value / 1024 ** 3).toFixed(1)} GB`
  if (value >= 1024 ** 2) return `${(value / 1024 ** 2).toFixed(value >= 10 * 1024 ** 2 ? 0 : 1)} MB`
  return `${Math.max(1, Math.round(value / 1024))} kB`
}

/** "a third" is no figure: 0.333 as "33 %". */
export function percent(part: number): string {
  return `${part > 0.99 && part < 1 ? (part * 100).toFixed(1) : Math.round(part * 100)} %`
}

/** The table of a node as a reader knows it. */
export function tableOf(node: PlanNode): string {
  return node.relation?.name ?? "the relation"
}
