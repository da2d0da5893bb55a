import { expect, test } from "vitest"
import { alertTypes } from "../../../src/monitor/alerts/alert.ts"
import { Alerting } from "../../../src/monitor/alerts/alerting.ts"
import { EvidenceBook } from "../../../src/monitor/alerts/evidence-book.ts"
import { defaultOutboxTimes } from "../../../src/monitor/alerts/outbox.ts"
import { defaultAlerts, defaultTimes, ruleSettings } from "../../../src/monitor/alerts/settings.ts"
import type { PlanChange } from "../../../src/monitor/plans/plan-log.ts"
import { Recorder } from "../../../src/monitor/recorder.ts"
import { fingerprint, loadShapes, loadSql } from "../../../src/sql/index.ts"
import { randomOf } from "../../support/random.ts"
import { testClock } from "../clock.ts"
import { SimulatedServer, type SimulatedTable, simulatedSession } from "./simulated-server.ts"

const day = 1440
const hour = 60
const gigabyte = 1024 ** 3
/** Minutes from the start of the week. */
const at = (days: number, hours: number, minutes = 0): number => days * day + hours * hour + minutes

const seed = Number(process.env.SELECTO_SEED ?? 20260105)

const texts = {
  /** Its true p95 swings from 22 to 30 ms over the day, around the limit of 25. */
  swinging: "select * from swinging where id = 1",
  steady: "select * from steady where id = 1",
  regressing: "select * from regressing where id = 1",
  slower: "select * from slower where id = 1",
  tiny: "select * from tiny where id = 1",
  replanned: "select * from replanned where id = 1",
  replannedWell: "select * from replanned_well where id = 1",
  newHeavy: "select * from new_heavy where id = 1",
  newLight: "select * from new_light where id = 1",
  light: "select * from light where id = 1",
  spilling: "select * from spilling order by id",
  spillingSome: "select * from spilling_some order by id",
  failing: "update failing set x = 1 where id = 1",
}

interface Minute {
  readonly server: SimulatedServer
  readonly tables: Readonly<Record<string, SimulatedTable>>
  readonly call: (text: string, ms: number, error?: string | null, poolWait?: number) => void
  readonly minute: number
  readonly uniform: () => number
  readonly during: (start: number, minutes: number) => boolean
  readonly change: (text: string, summary: string) => void
}

/** What must fire: when the first notice may come, and when it must be over; null: it is still there at the end. */
interface Expected {
  readonly alert: string
  readonly fires: readonly [from: number, to: number]
  readonly over: readonly [from: number, to: number] | null
  readonly worse?: readonly [from: number, to: number]
}

const expected: readonly Expected[] = [
  { alert: "slow_query steady", fires: [at(0, 9), at(0, 9, 1)], over: [at(0, 9, 10), at(0, 9, 13)] },
  { alert: "slow_percentile steady", fires: [at(0, 14, 5), at(0, 14, 12)], over: [at(0, 14, 40), at(0, 15)] },
  // What is slow is also slower than it was.
  { alert: "regression steady", fires: [at(0, 14, 5), at(0, 14, 12)], over: [at(0, 14, 40), at(0, 15)] },
  { alert: "regression light", fires: [at(0, 18, 5), at(0, 18, 20)], over: [at(0, 18, 50), at(0, 19, 40)] },
  { alert: "regression regressing", fires: [at(6, 10, 5), at(6, 10, 30)], over: [at(6, 13), at(6, 14, 30)] },
  { alert: "plan_changed replanned", fires: [at(5, 9), at(5, 9, 10)], over: [at(5, 10), at(5, 11)] },
  { alert: "new_heavy_query new_heavy", fires: [at(3, 10, 5), at(3, 10, 15)], over: [at(4, 10), at(4, 10, 30)] },
  { alert: "error_rate 40", fires: [at(2, 8, 2), at(2, 8, 8)], over: [at(2, 8, 25), at(2, 8, 45)] },
  { alert: "missing_index public.big", fires: [at(2, 10, 10), at(2, 10, 25)], over: [at(2, 12), at(2, 12, 30)] },
  { alert: "unused_index public.big_unused", fires: [at(4, 0), at(4, 0, 1)], over: null },
  { alert: "duplicate_index public.big_again", fires: [at(3, 6), at(3, 6, 1)], over: [at(5, 6, 9), at(5, 6, 12)] },
  { alert: "invalid_index public.big_broken", fires: [at(4, 6), at(4, 6, 1)], over: null },
  { alert: "high_memory spilling", fires: [at(3, 16, 5), at(3, 16, 12)], over: [at(3, 16, 25), at(3, 16, 45)] },
  { alert: "cache_hit_drop", fires: [at(5, 14, 10), at(5, 14, 25)], over: [at(5, 15), at(5, 15, 45)] },
  {
    alert: "connections",
    fires: [at(2, 16, 2), at(2, 16, 3)],
    worse: [at(2, 16, 20), at(2, 16, 21)],
    over: [at(2, 16, 40), at(2, 16, 42)],
  },
  { alert: "pool_wait", fires: [at(3, 12, 5), at(3, 12, 11)], over: [at(3, 12, 30), at(3, 12, 50)] },
  { alert: "idle_in_transaction", fires: [at(1, 9, 5), at(1, 9, 6)], over: [at(1, 9, 29), at(1, 9, 32)] },
  { alert: "long_transaction", fires: [at(1, 11, 15), at(1, 11, 16)], over: [at(1, 11, 34), at(1, 11, 37)] },
  { alert: "lock_wait", fires: [at(1, 14), at(1, 14, 1)], over: [at(1, 14, 10), at(1, 14, 13)] },
  { alert: "lock_wait", fires: [at(4, 14), at(4, 14, 1)], over: [at(4, 14, 10), at(4, 14, 13)] },
  { alert: "deadlocks", fires: [at(1, 16), at(1, 16, 1)], over: [at(1, 16, 13), at(1, 16, 17)] },
  { alert: "vacuum_lag public.big", fires: [at(4, 10), at(4, 10, 1)], over: [at(4, 11, 9), at(4, 11, 12)] },
  { alert: "wraparound shop", fires: [at(3, 0), at(3, 0, 1)], worse: [at(6, 0), at(6, 0, 1)], over: null },
  {
    alert: "sequence_exhaustion public.orders_id_seq",
    fires: [at(2, 0), at(2, 0, 1)],
    worse: [at(5, 0), at(5, 0, 1)],
    over: null,
  },
  { alert: "stale_statistics public.big", fires: [at(5, 18), at(5, 18, 1)], over: [at(5, 19, 9), at(5, 19, 12)] },
  { alert: "replication_lag standby-1", fires: [at(2, 20, 1), at(2, 20, 2)], over: [at(2, 20, 15), at(2, 20, 18)] },
  { alert: "slot_wal slot-1", fires: [at(4, 20), at(4, 20, 1)], over: [at(4, 22, 9), at(4, 22, 12)] },
  { alert: "statements_evicted", fires: [at(5, 20, 10), at(5, 20, 13)], over: [at(5, 21, 25), at(5, 21, 45)] },
  { alert: "collector_down", fires: [at(1, 20, 2), at(1, 20, 3)], over: [at(1, 20, 15), at(1, 20, 18)] },
  { alert: "target_down", fires: [at(3, 20, 2), at(3, 20, 3)], over: [at(3, 20, 14), at(3, 20, 17)] },
]

/** The faults of the week, and beside each one that is too small or too short to be told. */
function live({ server, tables, call, minute, uniform, during, change }: Minute): void {
  const big = tables.big!
  const times = (n: number, work: () => void): void => {
    for (let i = 0; i < n; i++) work()
  }
  const around = (ms: number): number => ms * (0.7 + 0.6 * uniform())

  // The usual load of a day.
  const swing = 26 - 4 * Math.cos((2 * Math.PI * (minute % day)) / day)
  times(30, () => call(texts.swinging, (-Math.log(1 - uniform()) * swing) / Math.log(20)))
  const slow = during(at(0, 14), 30)
  // Three calls a minute are too few for a percentile.
  const fewSlow = during(at(0, 18), 30)
  times(40, () => call(texts.steady, around(slow ? 1500 : 50)))
  times(3, () => call(texts.light, around(fewSlow ? 3000 : 20)))
  if (minute === at(0, 9)) call(texts.steady, 6000)
  if (minute === at(0, 11)) call(texts.steady, 4900)
  times(25, () => call(texts.regressing, around(during(at(6, 10), 180) ? 160 : 50)))
  times(25, () => call(texts.slower, around(during(at(6, 8), 600) ? 80 : 50)))
  // Three times as slow, and nobody would notice.
  times(25, () => call(texts.tiny, around(during(at(6, 8), 600) ? 3 : 1)))
  times(25, () => call(texts.replanned, around(during(at(5, 9), 60) ? 90 : 50)))
  times(25, () => call(texts.replannedWell, around(50)))
  if (minute === at(5, 9)) change(texts.replanned, "Index Scan using a became Seq Scan")
  if (minute === at(5, 12)) change(texts.replannedWell, "Index Scan using a became Index Scan using b")
  if (minute >= at(3, 10)) times(40, () => call(texts.newHeavy, around(60)))
  if (minute >= at(3, 10)) times(2, () => call(texts.newLight, around(20)))

  // Errors: 3 % of one class; and half a percent of another.
  times(25, () => call(texts.failing, 10, during(at(2, 8), 15) && uniform() < 0.5 ? "40001" : null))
  if (during(at(4, 8), 60) && uniform() < 0.8) call(texts.failing, 10, "23505")

  // Pool: waits of 200 ms for twenty minutes, and for two.
  if (during(at(3, 12), 20) || during(at(3, 15), 2)) times(60, () => call(texts.steady, 50, null, around(200)))

  // Temporary files.
  const spill = during(at(3, 16), 10)
  times(2, () => server.call(texts.spilling, 500, spill ? (1.5 * gigabyte) / 8192 : 10))
  times(2, () => server.call(texts.spillingSome, 500, (0.5 * gigabyte) / 8192))

  // Tables: a big one that is read whole; one whose share of scans is as bad and which is small; one that is read whole now and then.
  const whole = during(at(2, 10), 110)
  times(whole ? 30 : 1, () => {
    big.seqScan! += 1
    big.seqRead! += big.rows!
  })
  big.indexScan! += whole ? 1 : 500
  tables.small!.seqScan! += 5000
  tables.small!.seqRead! += 5000 * tables.small!.rows!
  if (minute % 10 === 0) {
    tables.report!.seqScan! += 1
    tables.report!.seqRead! += tables.report!.rows!
  }

  // The cache: a drop with more waiting, and one without.
  const drop = during(at(5, 14), 60)
  const harmless = during(at(4, 3), 60)
  const blocks = 100_000 * (0.9 + 0.2 * uniform())
  const ratio = drop || harmless ? 0.9 : 0.99
  server.database.blks_hit += blocks * ratio
  server.database.blks_read += blocks * (1 - ratio)
  server.database.blk_read_time += drop ? 30_000 : 2000 * (0.9 + 0.2 * uniform())

  // Connections: 85 %, then 97 %; and 85 % for one minute.
  server.connections = during(at(2, 16), 20)
    ? 85
    : during(at(2, 16, 20), 10)
      ? 97
      : during(at(2, 18), 1)
        ? 85
        : 20 + Math.floor(20 * uniform())

  // Transactions and locks.
  server.sessions = [simulatedSession({ pid: 100 + minute })]
  const since = (start: number): number => (minute - start) * 60_000
  const idle = during(at(1, 9), 20) ? at(1, 9) : during(at(1, 10), 5) ? at(1, 10) : null
  if (idle !== null)
    server.sessions.push(
      simulatedSession({ pid: 7, state: "idle in transaction", stateMs: since(idle), transactionMs: since(idle) }),
    )
  const long = during(at(1, 11), 25) ? at(1, 11) : during(at(1, 13), 14) ? at(1, 13) : null
  if (long !== null) server.sessions.push(simulatedSession({ pid: 8, transactionMs: since(long) }))
  const waiting =
    minute === at(1, 14) ? [45_000] : minute === at(1, 15) ? [20_000] : minute === at(4, 14) ? [900, 800, 700, 600, 500] : []
  server.blocked = waiting.map((waitedMs, n) => ({
    pid: 200 + n,
    blockers: ["9"],
    mode: "ShareLock",
    locktype: "transactionid",
    relation: null,
    waitedMs,
  }))
  if (waiting.length > 0) server.sessions.push(simulatedSession({ pid: 9 }))
  if (minute === at(1, 16)) server.database.deadlocks += 1

  // Upkeep.
  big.deadRows = during(at(4, 9), 120) || during(at(4, 6), 40) ? 0.2 * big.rows! * 3 : 1000
  tables.small!.deadRows = 9000
  big.modified = during(at(5, 17), 120) || during(at(5, 12), 40) ? 0.3 * big.rows! : 100
  tables.small!.modified = 900
  server.wraparound = minute >= at(6, 0) ? 0.76 : minute >= at(3, 0) ? 0.41 : 0.1 + minute / 100_000
  server.sequence = minute >= at(5, 0) ? 0.91 : minute >= at(2, 0) ? 0.76 : 0.5
  server.standbyLagMs = during(at(2, 20), 6) || minute === at(2, 22) ? 60_000 : 10
  server.slotBytes = during(at(4, 20), 120) ? 12 * gigabyte : during(at(4, 18), 60) ? 5 * gigabyte : 1_000_000
  if (during(at(5, 20), 20)) server.evictions += 1
  server.upkeep = {
    since: null,
    unused: [
      { ...index("big_unused", 50), unusedMs: (minute + 26 * day) * 60_000, lastScan: null },
      { ...index("big_unused_small", 5), unusedMs: 400 * day * 60_000, lastScan: null },
    ],
    duplicates: during(at(3, 6), 2 * day)
      ? [{ ...index("big_again", 50), coveredBy: "big_pkey", reason: "It is there twice." }]
      : [],
    invalid:
      minute >= at(4, 6)
        ? [{ schema: "public", table: "big", index: "big_broken", reason: "A build failed.", statements: ["REINDEX"] }]
        : [],
  }

  // What happens to the collector and the server: none of it may make figures up.
  const down = during(at(1, 20), 6) ? at(1, 20) : during(at(1, 22), 2) ? at(1, 22) : null
  const gone = during(at(3, 20), 5) ? at(3, 20) : during(at(3, 22), 2) ? at(3, 22) : null
  server.missed = down !== null ? minute - down + 1 : gone !== null ? minute - gone + 1 : 0
  server.reachable = gone === null
  if (minute === at(3, 20)) server.startedAt = "after the outage"
  if (minute === at(4, 1)) server.startedAt = "restarted"
  if (minute === at(4, 2)) server.statsReset++
}

function index(name: string, megabytes: number) {
  return { schema: "public", table: "big", index: name, bytes: megabytes * 1024 ** 2, sql: `DROP INDEX ${name}` }
}

test("a week: each rule fires when it should, and is quiet otherwise", async () => {
  await Promise.all([loadSql(), loadShapes()])
  const uniform = randomOf(seed)
  const clock = testClock(Date.UTC(2026, 0, 5))
  const recorder = new Recorder({ maxStatements: 100, fingerprintsPerSecond: 1000, clock })
  const server = new SimulatedServer()
  await server.know([texts.spilling, texts.spillingSome])
  const tables = {
    big: server.table("big", 200_000),
    small: server.table("small", 1000),
    report: server.table("report", 500_000),
  }
  const ports = { database: null, indexes: null, explain: null }
  const book = new EvidenceBook(recorder, ports, server, null)
  const names = new Map<string, string>()
  for (const [name, text] of Object.entries(texts))
    names.set(
      await fingerprint(text),
      name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`),
    )
  const changes: PlanChange[] = []
  const limit = 25
  const alerting = new Alerting({
    // One limit for all would be the swinging statement's: it has a judgement of its own below.
    rules: ruleSettings([...defaultAlerts, { type: "slow_percentile", threshold: limit }], null).map((settings) =>
      settings.rule.type !== "slow_percentile"
        ? settings
        : {
            ...settings,
            rule: {
              ...settings.rule,
              // The others are held to the default of a second.
              measure: (evidence, limits) =>
                settings.rule
                  .measure(evidence, limits)!
                  .map((one) =>
                    names.get(one.fingerprint!) === "swinging" ? one : { ...one, value: (one.value * limit) / 1000 },
                  ),
            },
          },
    ),
    times: defaultTimes,
    channels: [],
    heartbeat: [],
    logger: null,
    outbox: defaultOutboxTimes,
    clock,
    actions: { ports, workload: () => [], plan: async () => null },
    onAlert: () => {},
  })

  const told: { alert: string; change: string; minute: number }[] = []
  const swinging: number[] = []
  let naive = 0
  let naiveFiring = false
  let minute = 0
  let lastMinute: number[] = []
  const perform = (text: string, ms: number, error: string | null = null, poolWait = 0.1): void => {
    if (text === texts.swinging) lastMinute.push(ms)
    recorder.record(text, ms, poolWait, ms, 0, 1, -1, error, null, "statement", null)
  }
  const slow: { text: string; time: number }[] = []
  recorder.onSlow(5000, (text, time) => slow.push({ text, time }))

  for (const text of Object.values(texts)) if (text !== texts.newHeavy && text !== texts.newLight) perform(text, 1)
  await recorder.ready()
  for (; minute < 7 * day; minute++) {
    live({
      server,
      tables,
      minute,
      uniform,
      call: perform,
      during: (start, minutes) => minute >= start && minute < start + minutes,
      change: (text, summary) => {
        const known = recorder.identify(text)!
        changes.push({ fingerprint: known.fingerprint, at: clock.monotonic(), before: "a", after: "b", summary })
      },
    })
    // The rule that goes round: the 95th percentile of the last minute.
    lastMinute.sort((a, b) => a - b)
    const above = (lastMinute[Math.ceil(0.95 * lastMinute.length) - 1] ?? 0) >= limit
    if (above && !naiveFiring) naive++
    naiveFiring = above
    lastMinute = []
    clock.advance(60_000)
    // Somebody sets the clock of this machine.
    if (minute === at(2, 3)) clock.jump(3_600_000 * 5)
    if (minute === at(2, 4)) clock.jump(-3_600_000 * 5)
    recorder.roll()
    server.round(clock.monotonic(), clock.wall())
    book.turn()
    const calls = slow.splice(0).map(({ text, time }) => ({ ...recorder.identify(text)!, time, via: "statement" as const }))
    for (const { change, alert } of alerting.evaluate(book.evidence(calls, changes))) {
      const { fingerprint: of, subject } = alert.measurement
      const what = of === null ? subject : names.get(of)
      const name = [alert.settings.rule.type, what].filter((part) => part !== "" && part !== undefined).join(" ")
      if (what === "swinging") {
        if (change === "firing") swinging.push(minute)
      } else told.push({ alert: name, change, minute })
    }
    // Slow becomes usual only after a week.
    book.regressions.hold(
      new Map(
        alerting.engine.alerts
          .filter(({ settings, state }) => settings.rule.type === "regression" && state !== "resolved")
          .map(({ measurement, since }) => [measurement.fingerprint!, clock.wall() - (clock.monotonic() - since)]),
      ),
    )
  }
  recorder.close()

  console.log(
    `a simulated week, SELECTO_SEED=${seed}: ${told.filter(({ change }) => change === "firing").length} alerts for ${expected.length} faults; around the limit the naive rule fired ${naive} times, ours ${swinging.length}`,
  )
  expect(faultsOf(told)).toEqual([])
  // Every rule had its fault.
  expect(new Set(expected.map(({ alert }) => alert.split(" ")[0]))).toEqual(new Set(alertTypes))
  expect(naive).toBeGreaterThan(2000)
  expect(swinging.length).toBeLessThanOrEqual(15)
})

/** What was told and not expected, or expected and not told, in sentences. */
function faultsOf(told: readonly { alert: string; change: string; minute: number }[]): string[] {
  const faults: string[] = []
  const used = new Set<object>()
  const when = (minute: number): string =>
    `day ${Math.floor(minute / day)} ${Math.floor((minute % day) / hour)}:${String(minute % hour).padStart(2, "0")}`
  const find = (alert: string, change: string, [from, to]: readonly [number, number]): void => {
    const found = told.find(
      (one) => one.alert === alert && one.change === change && one.minute >= from && one.minute <= to && !used.has(one),
    )
    if (found === undefined) faults.push(`${alert} was not ${change} between ${when(from)} and ${when(to)}`)
    else used.add(found)
  }
  for (const { alert, fires, over, worse } of expected) {
    find(alert, "firing", fires)
    if (worse !== undefined) find(alert, "worse", worse)
    if (over !== null) find(alert, "resolved", over)
  }
  for (const one of told)
    if (one.change !== "repeat" && !used.has(one))
      faults.push(`${one.alert} was ${one.change} at ${when(one.minute)}, which nobody expected`)
  return faults
}
