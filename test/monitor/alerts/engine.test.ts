import { describe, expect, test } from "vitest"
import { alertTypes } from "../../../src/monitor/alerts/alert.ts"
import { AlertEngine } from "../../../src/monitor/alerts/engine.ts"
import type { Evidence } from "../../../src/monitor/alerts/evidence.ts"
import { type AlertRule, minute } from "../../../src/monitor/alerts/rule.ts"
import { alertRules } from "../../../src/monitor/alerts/rules/index.ts"
import { defaultAlerts, type RuleSettings, ruleSettings } from "../../../src/monitor/alerts/settings.ts"

const rule: AlertRule = {
  type: "connections",
  condition: "",
  unit: "share",
  threshold: 10,
  critical: 20,
  worse: "above",
  severity: "warning",
  forMs: 5 * minute,
  action: "log_and_notify",
  advice: "",
  measure: () => [],
  prometheus: null,
}

/** Feeds values minute by minute; null: nothing can be read; undefined: the subject is not there. */
function story(
  values: readonly (number | null | undefined)[],
  change: Partial<RuleSettings> & { worse?: "above" | "below" } = {},
) {
  const { worse = "above", ...settings } = change
  let value: number | null | undefined
  const told: string[] = []
  const states: string[] = []
  const measure: AlertRule["measure"] = () =>
    value === null ? null : value === undefined ? [] : [{ subject: "s", fingerprint: null, value, summary: () => `${value}` }]
  const engine = new AlertEngine(
    [
      {
        rule: { ...rule, worse, measure },
        threshold: 10,
        critical: null,
        forMs: 5 * minute,
        severity: "warning",
        action: "notify",
        ...settings,
      },
    ],
    { clearMs: 10 * minute, coolDownMs: 30 * minute, repeatMs: 240 * minute },
  )
  for (const [at, one] of values.entries()) {
    value = one
    for (const { change, alert } of engine.evaluate({ now: at * minute, database: "d" } as Evidence))
      told.push(`${at} ${change} ${alert.severity}`)
    states.push(engine.alerts[0]?.state ?? "ok")
  }
  return { told, states, engine }
}

const times = (n: number, value: number | null | undefined) => Array.from({ length: n }, () => value)

describe("an alert", () => {
  test("waits until the condition has held for long enough, and is over when it has not for long enough", () => {
    const { told, states } = story([...times(8, 11), ...times(12, 1), ...times(31, 1)])
    expect(told).toEqual(["5 firing warning", "18 resolved warning"])
    expect(states.slice(0, 7)).toEqual([...times(5, "pending" as never), "firing", "firing"])
    expect(states.slice(8, 18)).toEqual(Array(10).fill("clearing"))
    expect(states[18]).toBe("resolved")
    expect(states.at(-1)).toBe("ok")
  })

  test("a peak that is shorter is none", () => {
    expect(story([...times(5, 99), ...times(20, 1), ...times(5, 99), 9.9, ...times(5, 99)]).told).toEqual([])
  })

  test("between 80 % and the threshold it goes on; below, a moment is not enough", () => {
    const { told } = story([...times(6, 11), ...times(60, 8.1), ...times(9, 7.9), 8.1, ...times(9, 7.9), 11, ...times(20, 1)])
    expect(told).toEqual(["5 firing warning", "96 resolved warning"])
  })

  test("it is not told again while it cools down; if it is still there then, it is", () => {
    const { told } = story([...times(6, 11), ...times(11, 1), ...times(60, 11)])
    expect(told).toEqual(["5 firing warning", "16 resolved warning", "46 firing warning"])
  })

  test("worse is told at once, also while it cools down", () => {
    const options = { critical: 20 }
    expect(story([...times(7, 11), 25, ...times(3, 25), ...times(3, 11)], options).told).toEqual([
      "5 firing warning",
      "7 worse critical",
    ])
    expect(story([...times(6, 11), ...times(11, 1), ...times(6, 25)], options).told).toEqual([
      "5 firing warning",
      "16 resolved warning",
      "22 firing critical",
    ])
  })

  test("one that goes on is told again after four hours", () => {
    expect(story(times(500, 11)).told).toEqual(["5 firing warning", "245 repeat warning", "485 repeat warning"])
  })

  test("where nothing can be read nothing begins and nothing is over", () => {
    const { told, states } = story([...times(6, 11), ...times(60, null), ...times(3, 11), ...times(11, 1)])
    expect(told).toEqual(["5 firing warning", "79 resolved warning"])
    expect(states[30]).toBe("no_data")
    expect(states[66]).toBe("firing")
    expect(story([...times(4, 11), null, ...times(4, 11)]).told).toEqual([])
  })

  test("a subject that is gone is well", () => {
    expect(story([...times(6, 11), ...times(11, undefined)]).told).toEqual(["5 firing warning", "16 resolved warning"])
  })

  test("where less is worse, everything is turned around", () => {
    const { told } = story([...times(6, 9), ...times(20, 12), ...times(11, 13)], { worse: "below" })
    expect(told).toEqual(["5 firing warning", "36 resolved warning"])
    expect(story(times(20, 10), { worse: "below" }).told).toEqual([])
  })

  test("a value that cannot be told begins nothing, and leaves what is as it is", () => {
    expect(story(times(20, Number.NaN)).told).toEqual([])
    expect(story([...times(6, 11), ...times(60, Number.NaN), ...times(11, 1)]).told).toEqual([
      "5 firing warning",
      "76 resolved warning",
    ])
  })

  test("its id is made of rule, database, statement and subject, and of nothing else", () => {
    const ids = [story(times(6, 11)), story(times(9, 99))].map(({ engine }) => engine.alerts[0]!.id)
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/)
    expect(ids[0]).toBe(ids[1])
  })

  test("of a fault that touches a thousand subjects the worst fifty are followed", () => {
    const measure: AlertRule["measure"] = () =>
      Array.from({ length: 1000 }, (_, n) => ({ subject: `t${n}`, fingerprint: null, value: 10 + n, summary: () => "" }))
    const settings = {
      rule: { ...rule, measure },
      threshold: 10,
      critical: null,
      forMs: 0,
      severity: "info",
      action: "log",
    } as const
    const engine = new AlertEngine([settings], { clearMs: 0, coolDownMs: 0, repeatMs: minute })
    const told = engine.evaluate({ now: 0, database: "d" } as Evidence)
    expect(told).toHaveLength(50)
    expect(told.every(({ alert }) => alert.measurement.value >= 960)).toBe(true)
  })
})

describe("the options", () => {
  test("every type of alert has its rule, with limits that make sense", () => {
    expect(alertRules.map(({ type }) => type)).toEqual(alertTypes)
    for (const { threshold, critical, worse, condition, advice, type } of alertRules) {
      expect(condition.length, type).toBeGreaterThan(20)
      expect(advice.length, type).toBeGreaterThan(20)
      if (critical !== null) expect(worse === "above" ? critical > threshold : critical < threshold).toBe(true)
    }
  })

  test("the seed's three, as they are written", () => {
    const settings = ruleSettings(
      [
        { type: "slow_query", threshold: 5000, action: "log_and_notify" },
        { type: "missing_index", threshold: 0.1, action: "suggest_index" },
        { type: "high_memory", threshold: "1GB", action: "optimize_query" },
      ],
      null,
    )
    expect(settings.map(({ rule: { type }, threshold, action }) => [type, threshold, action])).toEqual([
      ["slow_query", 5000, "log_and_notify"],
      ["missing_index", 0.1, "suggest_index"],
      ["high_memory", 1024 ** 3, "optimize_query"],
    ])
  })

  test("the table with changes: the last option of a type counts", () => {
    const settings = ruleSettings([...defaultAlerts, { type: "connections", threshold: 0.97, for: "10m" }], 300)
    expect(settings).toHaveLength(alertTypes.length)
    // The table's critical limit is below the new one.
    expect(settings.find(({ rule: { type } }) => type === "connections")).toMatchObject({
      threshold: 0.97,
      critical: null,
      forMs: 10 * minute,
    })
    expect(settings.find(({ rule: { type } }) => type === "slow_percentile")!.threshold).toBe(300)
  })

  test("what is wrong is refused with what was meant", () => {
    expect(() => ruleSettings([{ type: "slow_querys" as never }], null)).toThrow(/Did you mean "slow_query"/)
    expect(() => ruleSettings([{ type: "connections", threshold: 80 }], null)).toThrow(/number from 0 to 1/)
    expect(() => ruleSettings([{ type: "slow_query", threshold: "5 parsecs" as never }], null)).toThrow(/milliseconds/)
    expect(() => ruleSettings([{ type: "slow_query", action: "pray" as never }], null)).toThrow(/one of log, notify/)
    expect(() => ruleSettings("all" as never, null)).toThrow(/list of/)
  })
})
