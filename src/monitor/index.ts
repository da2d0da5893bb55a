export type {
  Alert,
  AlertAction,
  AlertChange,
  AlertSeverity,
  AlertState,
  AlertType,
  AlertUnit,
} from "./alerts/alert.ts"
export type { AlertChannel, AlertLogger, AlertNotification } from "./alerts/channel.ts"
export type { PostOptions } from "./alerts/channels/post.ts"
export { type SlackBody, slack } from "./alerts/channels/slack.ts"
export { type WebhookAlert, type WebhookBody, webhook } from "./alerts/channels/webhook.ts"
export type { ChannelHealth } from "./alerts/outbox.ts"
export { type AlertOption, defaultAlerts } from "./alerts/settings.ts"
export type { SilenceOptions } from "./alerts/silences.ts"
export type { Identity, MinuteRecord } from "./entry.ts"
export {
  bucketCount,
  bucketOf,
  bucketsPerOctave,
  createHistogram,
  geometricMean,
  type Histogram,
  lowerBound,
  merge,
  mergeSparse,
  percentile,
  record,
  relativeError,
  type SparseHistogram,
  toSparse,
} from "./histogram.ts"
export { History, type HistoryOptions, type HistoryPoint } from "./history.ts"
export type { LoopDelay } from "./loop-delay.ts"
export type * from "./metrics.ts"
export {
  createMonitor,
  Monitor,
  type MonitorEvents,
  type MonitorHealth,
  type StatementPlans,
  type WatchedPool,
} from "./monitor.ts"
export type { MonitorOptions, PlanOptions, ServerOptions } from "./options.ts"
export type { KnownShape, PlanKind, PlanSample } from "./plans/plan-log.ts"
export type {
  AdvisedIndex,
  BrokenIndex,
  DuplicateIndex,
  IndexPort,
  MonitorPorts,
  SampleExplainOptions,
  UnusedIndex,
} from "./ports.ts"
export { type Clock, type Observation, queryChannel } from "./recorder.ts"
export type { ServerLoad, ServerSession, ServerWait } from "./server/activity.ts"
export type { CollectorHealth } from "./server/collector.ts"
export type { ServerConnections } from "./server/connections.ts"
export type { Gap } from "./server/gaps.ts"
export { type LockNode, lockLines, type ServerLocks } from "./server/lock-tree.ts"
export type * from "./server/report.ts"
export type { ServerSequence } from "./server/sequences.ts"
export type { ServerStatement, StatementCoverage } from "./server/statements.ts"
export type { ServerIndex, ServerTable } from "./server/tables.ts"
export type { ServerDatabase, ServerIo, ServerWal } from "./server/throughput.ts"
export type { HorizonHolder, ServerTransactions } from "./server/transactions.ts"
export type { ObservedIndex, Upkeep } from "./server/upkeep.ts"
export { commentOf, type TagOptions, type Tags, withTags } from "./tags.ts"
export type { TopOptions, TopReport, TopRow } from "./top.ts"
export type { WatchHealth } from "./watch.ts"
