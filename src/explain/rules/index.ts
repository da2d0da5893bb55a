import { aggregateRules } from "./aggregate.ts"
import { catalogRules } from "./catalog.ts"
import { estimateRules } from "./estimate.ts"
import { foreignRules } from "./foreign.ts"
import { indexScanRules } from "./index-scan.ts"
import { ioRules } from "./io.ts"
import { joinRules } from "./join.ts"
import { limitRules } from "./limit.ts"
import { memoryRules } from "./memory.ts"
import { parallelRules } from "./parallel.ts"
import { partitionRules } from "./partition.ts"
import type { Rule } from "./rule.ts"
import { scanRules } from "./scan.ts"
import { statementRules } from "./statement.ts"
import { subplanRules } from "./subplan.ts"

/** Every rule there is. */
export const planRules: readonly Rule[] = [
  ...scanRules,
  ...indexScanRules,
  ...limitRules,
  ...estimateRules,
  ...joinRules,
  ...subplanRules,
  ...memoryRules,
  ...ioRules,
  ...aggregateRules,
  ...parallelRules,
  ...partitionRules,
  ...foreignRules,
  ...statementRules,
  ...catalogRules,
]
