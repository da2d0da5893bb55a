import type { Duration } from "../units.ts"
import type { AlertChannel, AlertLogger } from "./alerts/channel.ts"
import type { AlertOption } from "./alerts/settings.ts"
import type { HistoryOptions } from "./history.ts"
import type { Clock } from "./recorder.ts"
import type { TagOptions } from "./tags.ts"

/** What is asked of the server. */
export interface ServerOptions {
  /** From one round to the next. Default "60s". */
  readonly interval?: Duration | undefined
  /** From one look at the sessions to the next. Default "5s". */
  readonly sample?: Duration | undefined
  /** Most time for one question. Default "5s". */
  readonly timeout?: Duration | undefined
  /** Least time between two questions for the texts of new statements, for which the server reads a whole file. Default "5m". */
  readonly texts?: Duration | undefined
  /** From one look at unused, duplicate and invalid indexes to the next. Default "1h". */
  readonly upkeep?: Duration | undefined
  /**
   * True: of all processes that watch a database one asks, whoever holds an advisory lock, on a connection that is kept for it. False: this
   * one asks whatever others do. Default true.
   */
  readonly exclusive?: boolean | undefined
}

/** Plans of slow statements. */
export interface PlanOptions {
  /** Least time between two plans of one statement. Default "10m". */
  readonly every?: Duration | undefined
  /** Most time for planning; a run may take twice what 95 % of the calls take, if that is more. Default "5s". */
  readonly timeout?: Duration | undefined
  /**
   * Runs what only reads once more under EXPLAIN ANALYZE, READ ONLY, to know rows and memory. Never a statement that calls a volatile
   * function. Default false.
   */
  readonly analyze?: boolean | undefined
}

/** What the monitor measures, watches and keeps. */
export interface MonitorOptions {
  /** Statements with figures of their own; the rest is "other". Default 500; each takes about 10 kB. */
  readonly maxStatements?: number | undefined
  /** New statements given to PostgreSQL's parser in a second. Default 200. */
  readonly fingerprintsPerSecond?: number | undefined
  /** A call at least this long is told to listeners of "slow", and its plan is looked at. Default: none is; plans from "500ms" on. */
  readonly slowQueryMs?: Duration | undefined
  /** Puts tags in a comment behind each statement. Default: off. */
  readonly tags?: TagOptions | undefined
  /** Samples the event loop's delay. Default true. */
  readonly eventLoopDelay?: boolean | undefined
  /** Asks the server for its statistics, once a minute. Default: where there are alerts. */
  readonly server?: boolean | ServerOptions | undefined
  /** Asks for the plans of slow statements that only read. Default: where the server is asked. */
  readonly plans?: boolean | PlanOptions | undefined
  /** Rules: a list of those that are wanted, or true for the whole table with its defaults. Default: all where `notify` is given, else none. */
  readonly alerts?: boolean | readonly AlertOption[] | undefined
  /** Where alerts are sent: `webhook(url)`, `slack(url)`, or an object of your own. */
  readonly notify?: readonly AlertChannel[] | undefined
  /** Gets a sign of life each minute while alerts are judged: for whoever raises the alarm when it stops. */
  readonly heartbeat?: AlertChannel | readonly AlertChannel[] | undefined
  /** Gets a line for each alert. Default console; false: nothing. */
  readonly logger?: AlertLogger | false | undefined
  /** How long an alert's value must be well before it is over, how long after that it is not told again, and how often while it goes on. */
  readonly alertTimes?:
    | { readonly clear?: Duration | undefined; readonly coolDown?: Duration | undefined; readonly repeat?: Duration | undefined }
    | undefined
  /** Keeps history in tables of schema `selecto`, which `selecto.monitor.history.install()` makes. Default false. */
  readonly history?: boolean | HistoryOptions | undefined
  /** For tests: other clocks. */
  readonly clock?: Clock | undefined
}
