import { type AlertType, alertTypes } from "../alert.ts"
import type { AlertRule } from "../rule.ts"
import { indexRules } from "./indexes.ts"
import { latencyRules } from "./latency.ts"
import { memoryRules } from "./memory.ts"
import { monitorRules } from "./monitor.ts"
import { replicationRules } from "./replication.ts"
import { sessionRules } from "./sessions.ts"
import { upkeepRules } from "./upkeep.ts"

const families = [latencyRules, indexRules, memoryRules, sessionRules, upkeepRules, replicationRules, monitorRules].flat()

/** The table of rules, in the order of {@link alertTypes}. */
export const alertRules: readonly AlertRule[] = alertTypes.map((type) => families.find((one) => one.type === type)!)

export function ruleOf(type: AlertType): AlertRule {
  return alertRules[alertTypes.indexOf(type)]!
}
