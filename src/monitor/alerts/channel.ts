import type { Alert, AlertChange } from "./alert.ts"

/** Alerts of one kind that are told together. */
export interface AlertNotification {
  readonly alerts: readonly { readonly alert: Alert; readonly change: AlertChange }[]
  /** Alerts of the same kind that are left out, because there are too many. */
  readonly omitted: number
}

/** Where alerts go. `send` rejects when they did not arrive: it is called again then, later and later. */
export interface AlertChannel {
  /** Shown in health(); never a secret. */
  readonly name: string
  send(notification: AlertNotification, options: { readonly signal: AbortSignal }): Promise<void>
  /** The dead man's switch: called each minute while alerts are judged. Default: an alert `selecto_heartbeat` through send(). */
  beat?(at: Date, options: { readonly signal: AbortSignal }): Promise<void>
}

/** Thrown by a channel when trying again is of no use: the address is wrong, or the message is refused. */
export class Undeliverable extends Error {}

/** Takes one line an alert, as console, pino and others do. */
export interface AlertLogger {
  warn(line: string): void
  info(line: string): void
}
