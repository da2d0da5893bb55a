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
  type MonitorOptions,
  type WatchedPool,
} from "./monitor.ts"
export { type Clock, type Observation, queryChannel } from "./recorder.ts"
export { commentOf, type TagOptions, type Tags, withTags } from "./tags.ts"
export type { TopOptions, TopReport, TopRow } from "./top.ts"
