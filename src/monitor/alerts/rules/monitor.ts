import { type AlertRule, hour, minute } from "../rule.ts"
import { several } from "../wording.ts"

const windowMs = hour

const statementsEvicted: AlertRule = {
  type: "statements_evicted",
  condition: "pg_stat_statements made room by forgetting statements this many times in an hour",
  unit: "count",
  threshold: 1,
  critical: null,
  worse: "above",
  severity: "info",
  forMs: 10 * minute,
  action: "log_and_notify",
  advice:
    "Raise pg_stat_statements.max, or find who writes constants into the names of things: such statements are never seen twice.",
  measure(evidence) {
    const statements = evidence.server(windowMs)?.coverage.statements
    if (statements == null) return null
    const { evictions: n } = statements
    return [
      {
        subject: "",
        fingerprint: null,
        value: n,
        summary: () =>
          `pg_stat_statements forgot statements to make room ${several(n, "time", "times")} in the last hour: figures of the server are too low.`,
        evidence: { ...statements },
      },
    ]
  },
  prometheus: (threshold) => `sum(increase(selecto_pg_statements_evictions_total[1h])) >= ${threshold}`,
}

const collectorDown: AlertRule = {
  type: "collector_down",
  condition: "this many rounds of the collector in a row failed, though the server answers",
  unit: "count",
  threshold: 3,
  critical: null,
  worse: "above",
  severity: "critical",
  forMs: 0,
  action: "log_and_notify",
  advice: "Nothing of the server is watched meanwhile. The error says why; selecto doctor says which rights are missing.",
  measure({ collector }) {
    if (collector === null || collector.state === "stopped") return []
    const { missed, reachable, lastError } = collector
    return [
      {
        subject: "",
        fingerprint: null,
        value: reachable ? missed : 0,
        summary: () =>
          `The collector failed ${several(missed, "round", "rounds")} in a row: ${lastError?.message ?? "unknown reason"}`,
        evidence: { code: lastError?.code ?? null },
      },
    ]
  },
  prometheus: (threshold) => `max(selecto_pg_collector_missed_rounds) >= ${threshold} and max(selecto_pg_up) == 1`,
}

const targetDown: AlertRule = {
  type: "target_down",
  condition: "the server could not be reached for this many rounds in a row",
  unit: "count",
  threshold: 3,
  critical: null,
  worse: "above",
  severity: "critical",
  forMs: 0,
  action: "log_and_notify",
  advice: "The server is down, or the way to it is.",
  measure({ collector }) {
    if (collector === null || collector.state === "stopped") return []
    const { missed, reachable, lastError } = collector
    return [
      {
        subject: "",
        fingerprint: null,
        value: reachable ? 0 : missed,
        summary: () =>
          `The server could not be reached ${several(missed, "time", "times")} in a row (${lastError?.code ?? "no answer"}).`,
        evidence: { code: lastError?.code ?? null },
      },
    ]
  },
  prometheus: (threshold) =>
    `max(max_over_time(selecto_pg_up[${threshold}m])) == 0 or absent_over_time(selecto_pg_up[${threshold}m])`,
}

export const monitorRules: readonly AlertRule[] = [statementsEvicted, collectorDown, targetDown]
