import { bytes } from "../../explain/rules/rule.ts"
import type { AlertUnit } from "./alert.ts"
import { type AlertOption, type RuleSettings, ruleSettings } from "./settings.ts"
import { share, span, times } from "./wording.ts"

/** A rule file of Prometheus. */
export interface PrometheusRules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly PrometheusRule[] }[]
}

export interface PrometheusRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly keep_firing_for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface PrometheusRulesOptions {
  /** As the option of connect(). Default: the whole table. */
  readonly alerts?: boolean | readonly AlertOption[] | undefined
  /** Writes `keep_firing_for`, which Prometheus 2.42 and later know. Default true. */
  readonly keepFiring?: boolean | undefined
}

const keptFor = "10m"

/**
 * The table of alert rules for Prometheus, over the metrics of selecto-pg/prometheus. Where a condition cannot be told from metrics - it needs
 * a baseline, or single calls - the rule is over the judgement that the process exports.
 */
export function prometheusRules(options: PrometheusRulesOptions = {}): PrometheusRules {
  const rules = ruleSettings(options.alerts ?? true, null).flatMap(rulesOf)
  const kept = options.keepFiring === false ? {} : { keep_firing_for: keptFor }
  return { groups: [{ name: "selecto-pg", rules: [...rules.map((rule) => ({ ...rule, ...kept })), notJudging, heartbeat] }] }
}

/** The same as the YAML of a rule file. */
export function prometheusRulesYaml(options: PrometheusRulesOptions = {}): string {
  // Strings in JSON are strings in YAML.
  const pairs = (record: Readonly<Record<string, string>>, indent: string): string =>
    Object.entries(record)
      .map(([name, value]) => `${indent}${name}: ${JSON.stringify(value)}\n`)
      .join("")
  return `groups:\n${prometheusRules(options)
    .groups.map(
      ({ name, rules }) =>
        `  - name: ${JSON.stringify(name)}\n    rules:\n${rules
          .map(({ alert, labels, annotations, ...rest }) => {
            const head = `      - alert: ${JSON.stringify(alert)}\n${pairs(rest, "        ")}`
            return `${head}        labels:\n${pairs(labels, "          ")}        annotations:\n${pairs(annotations, "          ")}`
          })
          .join("")}`,
    )
    .join("")}`
}

function rulesOf(settings: RuleSettings): PrometheusRule[] {
  const { rule, threshold, critical, severity, forMs } = settings
  const { type, prometheus } = rule
  const base = {
    alert: nameOf(type),
    annotations: {
      summary: `${type}: ${rule.condition} (${limitText(threshold, rule.unit)})`,
      description: rule.advice,
      value: "{{ $value }}",
    },
  }
  if (prometheus === null)
    return [
      {
        ...base,
        expr: `max by (severity) (selecto_alerts{alert=${JSON.stringify(type)}}) > 0`,
        // It has waited in the process already.
        for: "0s",
        labels: { type },
      },
    ]
  const one = (limit: number, level: string): PrometheusRule => ({
    ...base,
    expr: prometheus(limit),
    for: `${Math.round(forMs / 1000)}s`,
    labels: { type, severity: level },
  })
  return critical === null ? [one(threshold, severity)] : [one(threshold, severity), one(critical, "critical")]
}

/** Nobody judges: told by those who watch the watcher. */
const notJudging: PrometheusRule = {
  alert: "SelectoNotJudging",
  expr: "absent(selecto_monitor_judged_timestamp_seconds) or time() - max(selecto_monitor_judged_timestamp_seconds) > 180",
  for: "2m",
  labels: { type: "not_judging", severity: "critical" },
  annotations: {
    summary: "not_judging: no process has judged alert rules for three minutes",
    description: "Every process that watches is gone or stuck, or is not scraped.",
  },
}

/** Always fires: for a dead man's switch behind Alertmanager. */
const heartbeat: PrometheusRule = {
  alert: "SelectoHeartbeat",
  expr: "vector(1)",
  for: "0s",
  labels: { type: "heartbeat", severity: "none" },
  annotations: {
    summary: "heartbeat: always fires",
    description: "When it stops to arrive, the way from Prometheus to the receiver is broken.",
  },
}

/** A limit for reading. */
export function limitText(limit: number, unit: AlertUnit): string {
  if (unit === "ms") return span(limit)
  if (unit === "bytes") return bytes(limit)
  if (unit === "share") return share(limit)
  return unit === "ratio" ? times(limit) : String(limit)
}

/** "slow_query" as "SelectoSlowQuery". */
function nameOf(type: string): string {
  return `Selecto${type.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`
}
