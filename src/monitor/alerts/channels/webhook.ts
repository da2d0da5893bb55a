import type { Alert, AlertChange } from "../alert.ts"
import type { AlertChannel, AlertNotification } from "../channel.ts"
import { addressOf, type PostOptions, post } from "./post.ts"

/** The body that Prometheus' Alertmanager posts to a webhook (version 4). */
export interface WebhookBody {
  readonly version: "4"
  readonly groupKey: string
  readonly truncatedAlerts: number
  readonly status: "firing" | "resolved"
  readonly receiver: string
  readonly groupLabels: Readonly<Record<string, string>>
  readonly commonLabels: Readonly<Record<string, string>>
  readonly commonAnnotations: Readonly<Record<string, string>>
  readonly externalURL: string
  readonly alerts: readonly WebhookAlert[]
}

export interface WebhookAlert {
  readonly status: "firing" | "resolved"
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly startsAt: string
  /** Year 1 while it is firing. */
  readonly endsAt: string
  readonly generatorURL: string
  readonly fingerprint: string
}

const notYet = "0001-01-01T00:00:00Z"

/**
 * Posts alerts as Prometheus' Alertmanager posts them to its webhooks: whatever takes those takes these. Tried again while the answer is
 * no 2xx.
 *
 * @example connect(url, { monitor: { alerts: true, notify: [webhook("https://alerts.example.com/hook")] } })
 */
export function webhook(url: string | URL, options: PostOptions = {}): AlertChannel {
  const address = addressOf(url, "webhook()")
  return {
    name: `webhook ${address.host}`,
    send: (notification, { signal }) => post(address, webhookBody(notification), options, signal),
    beat: (at, { signal }) => post(address, heartbeatBody(at), options, signal),
  }
}

export function webhookBody({ alerts, omitted }: AlertNotification): WebhookBody {
  const told = alerts.map(webhookAlert)
  return bodyOf(told, omitted)
}

function heartbeatBody(at: Date): WebhookBody {
  const alert: WebhookAlert = {
    status: "firing",
    labels: { alertname: "selecto_heartbeat", severity: "none" },
    annotations: { summary: "Alerts are being judged. When this stops coming, nobody judges them any more." },
    startsAt: at.toISOString(),
    endsAt: notYet,
    generatorURL: "",
    fingerprint: "selecto_heartbeat",
  }
  return bodyOf([alert], 0)
}

function bodyOf(alerts: readonly WebhookAlert[], truncatedAlerts: number): WebhookBody {
  const common = (of: (alert: WebhookAlert) => Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(alerts[0] === undefined ? {} : of(alerts[0])).filter(([name, value]) =>
        alerts.every((alert) => of(alert)[name] === value),
      ),
    )
  const alertname = alerts[0]?.labels.alertname ?? ""
  return {
    version: "4",
    groupKey: `{}:{alertname=${JSON.stringify(alertname)}}`,
    truncatedAlerts,
    status: alerts.some(({ status }) => status === "firing") ? "firing" : "resolved",
    receiver: "selecto-pg",
    groupLabels: { alertname },
    commonLabels: common(({ labels }) => labels),
    commonAnnotations: common(({ annotations }) => annotations),
    externalURL: "",
    alerts,
  }
}

/** Labels say which alert it is, and are the same each time it is told; annotations say what is known of it. */
function webhookAlert({ alert, change }: { readonly alert: Alert; readonly change: AlertChange }): WebhookAlert {
  const status = change === "resolved" ? "resolved" : "firing"
  return {
    status,
    labels: {
      alertname: alert.type,
      severity: alert.severity,
      database: alert.database,
      ...(alert.fingerprint === null ? {} : { fingerprint: alert.fingerprint }),
      ...(alert.subject === null ? {} : { subject: alert.subject }),
    },
    annotations: {
      summary: alert.summary,
      description: alert.advice,
      value: String(alert.value),
      threshold: String(alert.threshold),
      unit: alert.unit,
      ...(alert.recommendations === null || alert.recommendations.length === 0
        ? {}
        : { recommendations: alert.recommendations.map(({ sql, confidence }) => `${sql}; -- ${confidence}`).join("\n") }),
      ...(alert.issues === null || alert.issues.length === 0
        ? {}
        : { issues: alert.issues.map(({ issue, severity, message }) => `${severity} ${issue}: ${message}`).join("\n") }),
      ...(Array.isArray(alert.evidence.tree) ? { tree: alert.evidence.tree.join("\n") } : {}),
      ...(typeof alert.evidence.sql === "string" ? { sql: alert.evidence.sql } : {}),
    },
    startsAt: (alert.firedAt ?? alert.since).toISOString(),
    endsAt: status === "resolved" && alert.resolvedAt !== null ? alert.resolvedAt.toISOString() : notYet,
    generatorURL: "",
    fingerprint: alert.id,
  }
}
