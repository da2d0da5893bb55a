/// <reference lib="esnext.disposable" preserve="true" />
// The front door: everything a user imports, by name.

export type {
  CacheDefaults,
  CacheInstallOptions,
  CacheMode,
  CacheOptions,
  CacheService,
  CacheStats,
  CacheStatus,
  Invalidation,
} from "./cache/index.ts"
export { configure, connect } from "./client/connect.ts"
export { type Diagnosis, diagnose, type Finding, repair, uninstall } from "./client/diagnose.ts"
export { grantScript } from "./client/grants.ts"
export { checkDomain, introspectDefinition, introspectDomain } from "./client/introspect.ts"
export { type Drift, domainFile, type IntrospectOptions } from "./client/introspection.ts"
export type { ConnectOptions, ConnectTarget } from "./client/options.ts"
export type { Selecto, UnknownRow } from "./client/selecto.ts"
export type { Capabilities } from "./database/capabilities.ts"
export type * from "./database/database.ts"
export type * from "./domain/column.ts"
export { defineDomain } from "./domain/define.ts"
export type * from "./domain/definition.ts"
export type * from "./domain/domain.ts"
export type * from "./domain/expression.ts"
export type * from "./domain/scope.ts"
export {
  type ErrorCode,
  type ErrorDetails,
  errorCodes,
  isSelectoError,
  MultipleResultsError,
  NoResultError,
  SelectoError,
} from "./errors.ts"
export type { IsolationLevel, Report, Warning } from "./execution/request.ts"
export type { TransactionOptions } from "./execution/transaction.ts"
export * from "./explain/index.ts"
export type {
  AdvisedIndex,
  Alert,
  AlertAction,
  AlertChannel,
  AlertLogger,
  AlertNotification,
  AlertOption,
  AlertSeverity,
  AlertState,
  AlertType,
  HistoryOptions,
  Monitor,
  MonitorHealth,
  MonitorOptions,
  PlanOptions,
  ServerOptions,
  ServerReport,
  ServerStatement,
  SilenceOptions,
  StatementMetrics,
} from "./monitor/index.ts"
export { defaultAlerts, lockLines, slack, webhook } from "./monitor/index.ts"
export type {
  BatchStrategy,
  CustomPartition,
  DividedTable,
  ExportFormat,
  ExportOptions,
  ExportProgress,
  ExportResult,
  ExportTarget,
  Merge,
  ParallelDefaults,
  ParallelOptions,
  ParallelReport,
  Partition,
  Where,
  WritableLike,
} from "./parallel/index.ts"
export {
  arrayAgg,
  avg,
  boolAnd,
  boolOr,
  count,
  countDistinct,
  cube,
  grouping,
  groupingSets,
  jsonAgg,
  max,
  min,
  rollup,
  stddev,
  stddevPop,
  stringAgg,
  sum,
  variance,
  variancePop,
} from "./query/aggregate.ts"
export {
  abs,
  ceil,
  coalesce,
  concat,
  dateTrunc,
  extract,
  floor,
  greatest,
  least,
  length,
  lower,
  ltrim,
  mod,
  now,
  nullif,
  position,
  power,
  replace,
  round,
  rtrim,
  splitPart,
  sqrt,
  substring,
  toChar,
  trim,
  trunc,
  upper,
} from "./query/calls.ts"
export {
  and,
  between,
  containedBy,
  contains,
  during,
  endsWith,
  eq,
  exists,
  gt,
  gte,
  icontains,
  iendsWith,
  ilike,
  isNotNull,
  isNull,
  istartsWith,
  like,
  lt,
  lte,
  ne,
  noneOf,
  not,
  notIlike,
  notLike,
  oneOf,
  or,
  overlaps,
  startsWith,
} from "./query/condition.ts"
export { asc, caseOf, caseWhen, cast, desc, expr, literal, nest, notNull, ref } from "./query/expression.ts"
export { matches, searchRank } from "./query/full-text.ts"
export { defineFunction } from "./query/function.ts"
export { hasKey, json, jsonText } from "./query/json-path.ts"
export { type KyselyCompiledQuery, toKysely } from "./query/kysely.ts"
export { defineQueries, type QueryLibrary } from "./query/library.ts"
export { type CsvOptions, csv, ndjson, type RowSource, tuples } from "./query/output.ts"
export { from } from "./query/query.ts"
export { countOf, every, none, some } from "./query/relation.ts"
export { fromQuery, generateSeries, recursive, values } from "./query/rows.ts"
export { except, intersect, union } from "./query/set.ts"
export { allOf, anyOf, existsIn, outer, scalar } from "./query/subquery.ts"
export type * from "./query/types/aggregates.ts"
export type * from "./query/types/composed.ts"
export type * from "./query/types/conditions.ts"
export type * from "./query/types/functions.ts"
export type * from "./query/types/json.ts"
export type * from "./query/types/pages.ts"
export type * from "./query/types/query.ts"
export type * from "./query/types/registry.ts"
export type * from "./query/types/relations.ts"
export type * from "./query/types/runnable.ts"
export type * from "./query/types/search.ts"
export type * from "./query/types/sets.ts"
export type * from "./query/types/sources.ts"
export type * from "./query/types/subqueries.ts"
export type * from "./query/types/windows.ts"
export {
  cumeDist,
  denseRank,
  firstValue,
  lag,
  lastValue,
  lead,
  nthValue,
  ntile,
  percentRank,
  rank,
  rowNumber,
} from "./query/window.ts"
export type { Duration, Size } from "./units.ts"
export type {
  AdoptedView,
  CleanupAction,
  CleanupOptions,
  CreatedView,
  DroppedView,
  FoundRewriting,
  KeepOptions,
  MakeOptions,
  MaterializeOptions,
  NoRewriting,
  RefreshOptions,
  RefreshProgress,
  RefreshReport,
  RefreshStrategy,
  RewriteOptions,
  Rewriting,
  RouteDecision,
  RouteOptions,
  ScheduleOptions,
  Scheduler,
  ViewDiff,
  ViewName,
  ViewService,
  ViewSpec,
  ViewStatus,
  WorkOptions,
  WorkReport,
} from "./views/index.ts"
