export { type Advice, type AdviseOptions, advise, adviseStatement } from "./advise.ts"
export { type ApplyEvent, type ApplyOptions, type ApplyResult, applyIndexes } from "./apply.ts"
export type { RedundantIndex } from "./existing.ts"
export { formatAdvice, type MigrationFormat } from "./format.ts"
export { logWorkload } from "./read-log.ts"
export { sqlWorkload } from "./read-sql.ts"
export { type StatementsOptions, statementsWorkload } from "./read-statements.ts"
export type { IndexEvidence, IndexRecommendation, StatementAdvice, Verdict } from "./recommendation.ts"
export { type IndexService, indexService, type Workload } from "./service.ts"
export {
  duplicateIndexes,
  type Effectiveness,
  type EffectivenessOptions,
  type IndexUsage,
  type InvalidIndex,
  indexEffectiveness,
  indexUsage,
  invalidIndexes,
  type StatementHistory,
  type UpkeepOptions,
  type UsageReport,
  unusedIndexes,
} from "./upkeep.ts"
export { type RealPlannerOptions, realPlanner } from "./what-if/real.ts"
export type { WorkloadStatement } from "./workload.ts"
