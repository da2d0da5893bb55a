export {
  type HintEntry,
  type HintName,
  type HintSpec,
  type HintValues,
  hintCatalogue,
  type IndexValue,
  type JoinMethod,
  type JoinOrder,
  type JoinPair,
  type ParallelValue,
  type RowsValue,
  type ScanMethod,
} from "./catalogue.ts"
export { type CheckedHint, type CheckOptions, checkHints, type HintCheck } from "./check.ts"
export { type CommentHint, parseComment, printComment } from "./comment.ts"
export type { HintInput } from "./hint.ts"
export { addHint, type Hintable, type HintOption } from "./option.ts"
export { type AppliedHint, type HintedStatement, mechanisms } from "./prepare.ts"
export { forgetHintServer, type HintServer, hintServer, probeServer } from "./server.ts"
export { type SettingEntry, type SettingName, type SettingValue, settingCatalogue } from "./setting.ts"
export { type HintsReport, hintStage, prepareHints } from "./stage.ts"
