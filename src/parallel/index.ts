export type { ExportOptions, ExportProgress, ExportResult } from "./export.ts"
export type { ExportFormat } from "./export-format.ts"
export {
  type BatchStrategy,
  type CustomPartition,
  checkOptions,
  type DividedTable,
  type Merge,
  type ParallelDefaults,
  type ParallelOptions,
  type ParallelRequest,
  type Partition,
  type Where,
} from "./option.ts"
export type { ParallelReport } from "./report.ts"
export type { ExportTarget, WritableLike } from "./sink.ts"
export { createParallel, type Parallel } from "./stage.ts"
