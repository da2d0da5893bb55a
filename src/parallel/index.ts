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
export { parallelStage } from "./stage.ts"
