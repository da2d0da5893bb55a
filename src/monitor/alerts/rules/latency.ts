import type { Entry } from "../../entry.ts"
import { percentile } from "../../histogram.ts"
import { errorsByClass } from "../../metrics.ts"
import type { Evidence } from "../evidence.ts"
import { type AlertRule, type Measurement, minute } from "../rule.ts"
import { share, span, statementName, times } from "../wording.ts"

const windowMs = 5 * minute
const fewestCalls = 100
/** A statement of a millisecond that takes two is no news. */
const leastSlowdownMs = 20
const leastPlanSlowdownMs = 10

function named(evidence: Evidence): Entry[] {
  return evidence.entries.filter(({ identity }) => identity !== "other")
}

const slowQuery: AlertRule = {
  type: "slow_query",
  condition: "one call takes this long",
  unit: "ms",
  threshold: 5000,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice: "Look at its plan: selecto explain --analyze, or selecto.monitor.plans(fingerprint).",
  measure({ slowCalls }, { threshold }) {
    const groups = new Map<string, { slowest: (typeof slowCalls)[number]; calls: number }>()
    for (const call of slowCalls) {
      if (call.time < threshold) continue
      const group = groups.get(call.fingerprint)
      if (group === undefined) groups.set(call.fingerprint, { slowest: call, calls: 1 })
      else {
        group.calls++
        if (call.time > group.slowest.time) group.slowest = call
      }
    }
    return [...groups.values()].map(({ slowest, calls }) => ({
      subject: "",
      fingerprint: slowest.fingerprint,
      value: slowest.time,
      summary: () =>
        `${statementName(slowest.summary, slowest.fingerprint)} took ${span(slowest.time)}${calls === 1 ? "" : `; ${calls} calls were as slow`}.`,
      evidence: { calls, via: slowest.via },
    }))
  },
  prometheus: null,
}

const slowPercentile: AlertRule = {
  type: "slow_percentile",
  condition: "the 95th percentile of 5 minutes is above this, of at least 100 calls",
  unit: "ms",
  threshold: 1000,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 5 * minute,
  action: "log_and_notify",
  advice: "Look at its plan, and whether it waits: for a connection, for locks, or for blocks from disk.",
  measure: (evidence) =>
    named(evidence).flatMap((entry): Measurement[] => {
      const { time } = evidence.window(entry, windowMs)
      const p95 = percentile(time, 0.95)
      if (time.count < fewestCalls || p95 === null) return []
      return [
        {
          subject: "",
          fingerprint: entry.fingerprint,
          value: p95,
          summary: () =>
            `95 % of the calls of ${statementName(entry.summary, entry.fingerprint)} took up to ${span(p95)} in the last 5 minutes (${time.count} calls).`,
          evidence: { calls: time.count, p50: percentile(time, 0.5), max: time.max },
        },
      ]
    }),
  prometheus: (threshold) =>
    `histogram_quantile(0.95, sum by (le, fingerprint) (rate(selecto_query_duration_seconds_bucket{fingerprint!="other"}[5m]))) > ${threshold / 1000} and on (fingerprint) sum by (fingerprint) (increase(selecto_query_duration_seconds_count[5m])) >= ${fewestCalls}`,
}

const regression: AlertRule = {
  type: "regression",
  condition:
    "the geometric mean of the last calls (100 or more, 5 to 60 minutes) is this many times the median of 14 past hours, and 20 ms above it, and the 95th percentile rose too",
  unit: "ratio",
  threshold: 2,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 5 * minute,
  action: "optimize_query",
  advice: "Compare its plan with the one before, and what was deployed or loaded since.",
  measure: (evidence) =>
    evidence.comparisons().map((one): Measurement => {
      const { fingerprint, summary, middle, baseline, ratio, n, p95, source } = one
      return {
        subject: "",
        fingerprint,
        value: ratio,
        holds: one.confirmed && middle - baseline.middle >= leastSlowdownMs,
        summary: () =>
          `${statementName(summary, fingerprint)} takes ${span(middle)}, ${times(ratio)} its usual ${span(baseline.middle)} (${n} calls, against the median of ${baseline.hours} hours: ${baseline.of}).`,
        evidence: { middle, p95, n, baseline: baseline.middle, baselineP95: baseline.p95, of: baseline.of, source },
      }
    }),
  prometheus: null,
}

const planChanged: AlertRule = {
  type: "plan_changed",
  condition:
    "the plan has a shape that it never had, and the geometric mean since is this many times the one before, and 10 ms above it",
  unit: "ratio",
  threshold: 1.5,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "optimize_query",
  advice: "ANALYZE the tables where the estimate is off; a hint can hold the plan until the cause is found.",
  measure: (evidence) =>
    evidence.planRegressions().map(
      ({ change, summary, before, after, n, ratio }): Measurement => ({
        subject: "",
        fingerprint: change.fingerprint,
        value: ratio,
        holds: after - before >= leastPlanSlowdownMs,
        summary: () =>
          `The plan of ${statementName(summary, change.fingerprint)} changed and it takes ${span(after)} instead of ${span(before)}. ${change.summary}`,
        evidence: { before: change.before, after: change.after, difference: change.summary, calls: n },
      }),
    ),
  prometheus: null,
}

const newHeavyQuery: AlertRule = {
  type: "new_heavy_query",
  condition: "a statement first seen within a day takes this part of all time, over 15 minutes",
  unit: "share",
  threshold: 0.05,
  critical: null,
  worse: "above",
  severity: "info",
  forMs: 5 * minute,
  action: "log_and_notify",
  advice: "Review it as you would a change of the schema: its plan, its indexes, how often it is called.",
  measure: (evidence) =>
    evidence.newcomers().map(
      ({ fingerprint, summary, share: part, calls, time }): Measurement => ({
        subject: "",
        fingerprint,
        value: part,
        summary: () =>
          `${statementName(summary, fingerprint)} is new and takes ${share(part)} of the time (${calls} calls, ${span(time)} in 15 minutes).`,
        evidence: { calls, time },
      }),
    ),
  prometheus: null,
}

const errorRate: AlertRule = {
  type: "error_rate",
  condition: "this part of all calls in 5 minutes failed with one class of error, of at least 100 calls",
  unit: "share",
  threshold: 0.01,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 2 * minute,
  action: "log_and_notify",
  advice:
    "Classes are those of SQLSTATE: 23 constraints, 40 conflicts to be retried, 42 the statement itself, 53 resources, 57 cancelled.",
  measure(evidence) {
    let calls = 0
    const errors = new Map<string, { n: number; worst: Entry; most: number }>()
    for (const entry of evidence.entries) {
      const tally = evidence.window(entry, windowMs)
      calls += tally.calls
      for (const [name, n] of Object.entries(errorsByClass(tally))) {
        const known = errors.get(name) ?? { n: 0, worst: entry, most: 0 }
        const worse = n > known.most
        errors.set(name, { n: known.n + n, worst: worse ? entry : known.worst, most: worse ? n : known.most })
      }
    }
    // What the caller gave up is no fault.
    errors.delete("E_ABORTED")
    if (calls < fewestCalls) return []
    return [...errors].map(([name, { n, worst }]) => ({
      subject: name,
      fingerprint: null,
      value: n / calls,
      summary: () =>
        `${share(n / calls)} of the calls failed with ${name.length === 2 ? `SQLSTATE class ${name}` : name} in the last 5 minutes (${n} of ${calls}), most of them ${statementName(worst.summary, worst.fingerprint)}.`,
      evidence: { errors: n, calls, statement: worst.fingerprint },
    }))
  },
  prometheus: (threshold) =>
    `sum by (sqlstate_class) (rate(selecto_query_errors_total{sqlstate_class!="E_ABORTED"}[5m])) / on () group_left () sum(rate(selecto_query_calls_total[5m])) > ${threshold} and on () sum(increase(selecto_query_calls_total[5m])) >= ${fewestCalls}`,
}

export const latencyRules: readonly AlertRule[] = [slowQuery, slowPercentile, regression, planChanged, newHeavyQuery, errorRate]
