import { bytes } from "../../../explain/rules/rule.ts"
import { type AlertRule, gigabyte, type Measurement, minute } from "../rule.ts"
import { span } from "../wording.ts"

const windowMs = 5 * minute

const replicationLag: AlertRule = {
  type: "replication_lag",
  condition: "a standby is behind by this long, or this server is, being one",
  unit: "ms",
  threshold: 30_000,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: minute,
  action: "log_and_notify",
  advice: "Look at the standby's disks and network, at long queries there that hold up replay, and at what writes so much here.",
  measure(evidence) {
    const report = evidence.server(windowMs)
    if (report?.replication == null) return null
    const { standbys, lagMs: own } = report.replication
    const found = standbys.flatMap((standby): Measurement[] => {
      const { name, lagMs, lagBytes } = standby
      if (lagMs === null) return []
      const left = lagBytes === null ? "" : ` (${bytes(lagBytes)})`
      const summary = (): string => `The standby ${name} is ${span(lagMs)} behind${left}.`
      return [{ subject: name, fingerprint: null, value: lagMs, summary, evidence: { ...standby } }]
    })
    if (own === null) return found
    return [
      ...found,
      {
        subject: "this server",
        fingerprint: null,
        value: own,
        summary: () => `This standby is ${span(own)} behind its primary.`,
      },
    ]
  },
  prometheus: (threshold) => `max by (standby) (selecto_pg_replication_lag_seconds) >= ${threshold / 1000}`,
}

const slotWal: AlertRule = {
  type: "slot_wal",
  condition: 'a replication slot keeps this much of the log, or its wal_status is not "reserved"',
  unit: "bytes",
  threshold: 10 * gigabyte,
  critical: null,
  worse: "above",
  severity: "warning",
  forMs: 0,
  action: "log_and_notify",
  advice: "Whoever reads the slot is gone or too slow: bring it back, or drop the slot, before the disk is full.",
  measure(evidence, { threshold }) {
    const slots = evidence.server(windowMs)?.replication?.slots
    if (slots == null) return null
    return slots.map((slot): Measurement => {
      const retained = slot.retainedBytes ?? 0
      const reserved = slot.status === null || slot.status === "reserved"
      return {
        subject: slot.name,
        fingerprint: null,
        value: reserved ? retained : Math.max(threshold, retained),
        severity: slot.status === "unreserved" || slot.status === "lost" ? "critical" : undefined,
        summary: () =>
          `The ${slot.active ? "" : "inactive "}replication slot ${slot.name} keeps ${bytes(retained)} of the log${reserved ? "" : `; its wal_status is ${slot.status}`}.`,
        evidence: { ...slot },
      }
    })
  },
  prometheus: (threshold) =>
    `max by (slot) (selecto_pg_slot_retained_bytes) >= ${threshold} or max by (slot) (selecto_pg_slot_retained_bytes{status!="reserved"}) >= 0`,
}

export const replicationRules: readonly AlertRule[] = [replicationLag, slotWal]
