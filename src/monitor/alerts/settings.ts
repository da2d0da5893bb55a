import { SelectoError } from "../../errors.ts"
import { didYouMean, suggestionsFor } from "../../suggest.ts"
import { bytesOf, type Duration, millisecondsOf, type Size } from "../../units.ts"
import {
  type AlertAction,
  type AlertSeverity,
  type AlertType,
  type AlertUnit,
  alertActions,
  alertSeverities,
  alertTypes,
} from "./alert.ts"
import { type AlertRule, hour, minute } from "./rule.ts"
import { alertRules } from "./rules/index.ts"

/** One rule as a user wants it; what is left out is as in the table of the guide. */
export interface AlertOption {
  readonly type: AlertType
  /** Milliseconds or "5s", bytes or "1GB", a share 0 to 1, a ratio or a count: whatever the rule compares. */
  readonly threshold?: Duration | Size | undefined
  /** From here on the alert is critical, and told at once. */
  readonly critical?: Duration | Size | undefined
  /** How long the condition must hold. */
  readonly for?: Duration | undefined
  readonly severity?: AlertSeverity | undefined
  readonly action?: AlertAction | undefined
}

/** A rule with its limits. */
export interface RuleSettings {
  readonly rule: AlertRule
  readonly threshold: number
  readonly critical: number | null
  readonly forMs: number
  readonly severity: AlertSeverity
  readonly action: AlertAction
}

/** How alerts of every rule behave. */
export interface EngineTimes {
  /** How long the value must stay below 80 % of the threshold before the alert is over. */
  readonly clearMs: number
  /** How long after that the same alert is not told again, unless it is worse. */
  readonly coolDownMs: number
  /** How often an alert that goes on is told again. */
  readonly repeatMs: number
}

export const defaultTimes: EngineTimes = { clearMs: 10 * minute, coolDownMs: 30 * minute, repeatMs: 4 * hour }

/** Every rule with its defaults, to be spread into `alerts` and changed: the last option of a type counts. */
export const defaultAlerts: readonly AlertOption[] = alertTypes.map((type) => ({ type }))

/** The rules of the option `alerts`: true is the whole table. Throws E_INVALID_OPTION. */
export function ruleSettings(option: boolean | readonly AlertOption[] | undefined, slowQueryMs: number | null): RuleSettings[] {
  if (option === undefined || option === false) return []
  const given = new Map((option === true ? defaultAlerts : checked(option)).map((one) => [one.type, one]))
  return alertRules.flatMap((rule) => {
    const one = given.get(rule.type)
    return one === undefined ? [] : [settingOf(rule, one, slowQueryMs)]
  })
}

function checked(options: readonly AlertOption[]): readonly AlertOption[] {
  if (!Array.isArray(options))
    throw invalid("monitor.alerts", "`alerts` is a list of { type, threshold, action }, or true for the whole table.")
  for (const [at, { type }] of options.entries()) {
    if ((alertTypes as readonly string[]).includes(type)) continue
    const suggestions = suggestionsFor(String(type), alertTypes)
    throw invalid(
      `monitor.alerts[${at}].type`,
      `There is no alert ${JSON.stringify(type)}.${didYouMean(suggestions)}`,
      suggestions,
    )
  }
  return options
}

function settingOf(rule: AlertRule, option: AlertOption, slowQueryMs: number | null): RuleSettings {
  const path = `monitor.alerts.${rule.type}`
  const { threshold, critical, severity, action } = option
  oneOf(severity, alertSeverities, `${path}.severity`)
  oneOf(action, alertActions, `${path}.action`)
  // What counts as slow has been said already, unless the rule says otherwise.
  const usual = rule.type === "slow_percentile" && slowQueryMs !== null ? slowQueryMs : rule.threshold
  const limit = threshold === undefined ? usual : amount(threshold, rule.unit, `${path}.threshold`)
  return {
    rule,
    threshold: limit,
    critical: critical === undefined ? usualCritical(rule, limit) : amount(critical, rule.unit, `${path}.critical`),
    forMs: option.for === undefined ? rule.forMs : millisecondsOf(option.for, `${path}.for`),
    severity: severity ?? rule.severity,
    action: action ?? rule.action,
  }
}

/** The table's own, unless the threshold was set beyond it. */
function usualCritical({ critical, worse }: AlertRule, threshold: number): number | null {
  if (critical === null) return null
  return (worse === "above" ? critical > threshold : critical < threshold) ? critical : null
}

function amount(value: Duration | Size, unit: AlertUnit, path: string): number {
  if (unit === "ms") return millisecondsOf(value as Duration, path)
  if (unit === "bytes") return bytesOf(value as Size, path)
  if (typeof value === "number" && Number.isFinite(value) && value >= 0 && (unit !== "share" || value <= 1)) return value
  throw invalid(path, `${path} must be ${unit === "share" ? "a number from 0 to 1" : "a number of at least 0"}.`)
}

function oneOf(value: string | undefined, known: readonly string[], path: string): void {
  if (value !== undefined && !known.includes(value)) throw invalid(path, `${path} is one of ${known.join(", ")}.`)
}

function invalid(path: string, message: string, suggestions: readonly string[] = []): SelectoError {
  return new SelectoError("E_INVALID_OPTION", message, { path, suggestions })
}
