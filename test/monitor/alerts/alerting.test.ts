import { expect, onTestFinished, test, vi } from "vitest"
import { Alerting } from "../../../src/monitor/alerts/alerting.ts"
import type { Evidence } from "../../../src/monitor/alerts/evidence.ts"
import { defaultOutboxTimes } from "../../../src/monitor/alerts/outbox.ts"
import { defaultTimes, ruleSettings } from "../../../src/monitor/alerts/settings.ts"
import type { Alert, AlertNotification } from "../../../src/monitor/index.ts"
import { createMonitor, type MonitorOptions } from "../../../src/monitor/index.ts"
import type { IndexAdvice, IndexPort } from "../../../src/monitor/ports.ts"
import { testClock } from "../clock.ts"

/** A monitor of calls only, whose minutes pass when told to. */
function calls(options: MonitorOptions) {
  const clock = testClock()
  const sent: AlertNotification[] = []
  const lines: string[] = []
  const told: Alert[] = []
  const { service } = createMonitor({
    clock,
    eventLoopDelay: false,
    logger: { warn: (line) => lines.push(line), info: (line) => lines.push(line) },
    notify: [{ name: "test", send: async (notification) => void sent.push(notification) }],
    ...options,
  })
  onTestFinished(() => service.close())
  service.on("alert", (alert) => told.push(alert))
  const minute = async (errors: readonly string[], n = 200): Promise<void> => {
    for (let at = 0; at < n; at++)
      service.recorder.record("select * from film", 5, 0, 5, 0, 1, -1, errors[at % 20] ?? null, null, "statement", null)
    await service.ready()
    clock.advance(60_000)
    service.recorder.roll()
    await service.watch.evaluate()
    await service.watch.alerting.settled()
  }
  return { clock, service, sent, lines, told, minute }
}

const errorRate = { type: "error_rate", for: 0 } as const

test("each action tells whom it says", async () => {
  const { minute, sent, lines, told } = calls({ alerts: [{ ...errorRate, action: "log" }] })
  await minute(["40001"])
  expect([sent.length, lines.length, told.length]).toEqual([0, 1, 1])
  const quiet = calls({ alerts: [{ ...errorRate, action: "notify" }] })
  await quiet.minute(["40001"])
  expect([quiet.sent.length, quiet.lines.length, quiet.told.length]).toEqual([1, 0, 1])
})

test("alerts of one rule that come together are told together, at most twenty, and the rest are counted", async () => {
  const { minute, sent, told } = calls({ alerts: [{ ...errorRate, threshold: 0.001 }] })
  await minute(["23505", "40001", "57014"])
  expect(sent).toHaveLength(1)
  expect(sent[0]!.alerts.map(({ alert }) => alert.subject).sort()).toEqual(["23", "40", "57"])
  const many = calls({ alerts: [{ ...errorRate, threshold: 0.001 }] })
  await many.minute(
    Array.from({ length: 20 }, (_, n) => `X${n}`),
    2000,
  )
  await many.minute([...Array.from({ length: 20 }, (_, n) => `Y${n}`)], 2000)
  expect(many.sent.map(({ alerts, omitted }) => [alerts.length, omitted])).toEqual([
    [20, 0],
    [20, 0],
  ])
  expect(told).toHaveLength(3)
})

test("a channel that never answers holds up neither judging nor the other channels", async () => {
  const sent: string[] = []
  const { service, clock } = calls({
    alerts: [errorRate],
    notify: [
      { name: "stuck", send: () => new Promise(() => {}) },
      { name: "other", send: async () => void sent.push("other") },
    ],
  })
  for (let n = 0; n < 200; n++)
    service.recorder.record("select 1", 5, 0, 5, 0, 1, -1, n % 10 === 0 ? "40001" : null, null, "statement", null)
  await service.ready()
  clock.advance(60_000)
  service.recorder.roll()
  await service.watch.evaluate()
  await expect.poll(() => sent).toEqual(["other"])
  await service.watch.evaluate()
  expect(service.health().channels).toMatchObject([
    { channel: "stuck", sent: 0, waiting: 1 },
    { channel: "other", sent: 1, waiting: 0 },
  ])
})

test("an alert that is looked into holds up no other; when nothing is found out, it says why", async () => {
  let found: (advice: IndexAdvice) => void = () => {}
  const asked = vi.fn(() => new Promise<IndexAdvice>((resolve) => (found = resolve)))
  const sent: AlertNotification[] = []
  const channel = { name: "test", send: async (notification: AlertNotification) => void sent.push(notification) }
  const rules = (["missing_index", "connections"] as const).map((type) => {
    const settings = ruleSettings([{ type, for: 0 }], null)[0]!
    const value = type === "missing_index" ? 0 : 1
    const measure = () => [{ subject: "public.orders", fingerprint: null, value, summary: () => type }]
    return { ...settings, rule: { ...settings.rule, measure } }
  })
  const alerting = new Alerting({
    rules,
    times: defaultTimes,
    channels: [channel],
    heartbeat: [],
    logger: null,
    outbox: defaultOutboxTimes,
    clock: testClock(),
    actions: {
      ports: { database: null, explain: null, indexes: { advise: asked } as unknown as IndexPort },
      workload: () => [{ text: "select 1", calls: 1 }],
      plan: async () => null,
    },
    onAlert: () => {},
  })
  onTestFinished(() => alerting.close())
  const types = (): string[] => sent.flatMap(({ alerts }) => alerts.map(({ alert }) => alert.type))
  alerting.evaluate({ now: 0, database: "shop" } as Evidence)
  await expect.poll(types).toEqual(["connections"])
  expect(asked).toHaveBeenCalledOnce()
  found({ recommendations: [], partial: true })
  await alerting.settled()
  expect(types()).toEqual(["connections", "missing_index"])
  expect(sent[1]!.alerts[0]!.alert).toMatchObject({ recommendations: [], actionError: expect.stringContaining("after 60 s") })
})

test("a sign of life goes out each time that rules are judged, whatever they say", async () => {
  const beats: Date[] = []
  const { minute } = calls({
    alerts: [errorRate],
    heartbeat: { name: "heart", send: async () => {}, beat: async (at) => void beats.push(at) },
  })
  for (let n = 0; n < 3; n++) await minute([])
  expect(beats).toHaveLength(3)
  expect(beats[2]!.getTime() - beats[0]!.getTime()).toBe(120_000)
})

test("a silenced alert is told to listeners only, and so is its end", async () => {
  const { service, minute, sent, lines, told } = calls({ alerts: [errorRate], alertTimes: { clear: 0 } })
  service.silence({ type: "error_rate", for: "30m" })
  await minute(["40001"])
  for (let n = 0; n < 8; n++) await minute([])
  expect(told.map(({ state, silenced }) => [state, silenced])).toEqual([
    ["firing", true],
    ["resolved", true],
  ])
  expect([sent.length, lines.length]).toEqual([0, 0])
  for (let n = 0; n < 40; n++) await minute([])
  await minute(["40001", "40001"])
  expect([sent.length, lines.length]).toEqual([1, 1])
})

test("an end is told only of what was told: a silence that ran out in between tells nothing", async () => {
  const { service, minute, sent } = calls({ alerts: [errorRate], alertTimes: { clear: "20m" } })
  service.silence({ type: "error_rate", for: "10m" })
  await minute(["40001"])
  for (let n = 0; n < 40; n++) await minute([])
  expect(service.alerts()).toMatchObject([{ state: "resolved", silenced: false }])
  expect(sent).toEqual([])
})

test("clocks that jump end nothing and begin nothing", async () => {
  const { clock, minute, told } = calls({ alerts: [errorRate] })
  await minute(["40001"])
  clock.jump(86_400_000)
  await minute(["40001"])
  clock.jump(-3 * 86_400_000)
  await minute(["40001"])
  expect(told.map(({ state }) => state)).toEqual(["firing"])
})

test("what fires is worse than what waits, in the order of alerts()", async () => {
  const { service, minute } = calls({
    alerts: [errorRate, { type: "slow_percentile", threshold: 1 }, { type: "pool_wait", threshold: 0 }],
  })
  await minute(["40001"])
  expect(service.alerts().map(({ type, state }) => [type, state])).toEqual([
    ["error_rate", "firing"],
    ["slow_percentile", "pending"],
    ["pool_wait", "pending"],
  ])
})
