export { changesComponent } from "./component.ts"
export { bindIdentity, type DatabaseIdentity, identity } from "./identity.ts"
export {
  installTriggers,
  type TableWithKeys,
  type TrackOptions,
  track,
  type UntrackOptions,
  untrack,
} from "./install.ts"
export { type ChangeHandlers, type ChangeListener, type ListenOptions, listenForChanges } from "./listener.ts"
export {
  type Component,
  installedVersions,
  type Migrated,
  type MigrateOptions,
  type Migration,
  migrate,
} from "./migration.ts"
export { type ChangeNotice, catalogRelation, changesChannel, parseNotice } from "./notice.ts"
export { nameOf, type OwnedKind, type OwnedObject, type OwnedReport, ownedObjects, ownedTag } from "./owned.ts"
export { type PruneOptions, pruneLog } from "./prune.ts"
export { findRelations, type KnownRelation, oidsOf, type RelationRef } from "./relations.ts"
export { type RemoveOptions, type RemoveReport, removeOwned } from "./remove.ts"
export { isPassing, type RetryOptions, retrying } from "./retry.ts"
export { rightError, stateError } from "./rights.ts"
export { prepareRoot } from "./root.ts"
export { rootTransaction } from "./root-transaction.ts"
export { definer } from "./schema-since.ts"
export { changedSince, changedSinceSql, currentMark, markSql, touch, trackedRoots } from "./since.ts"
export { type TrackedRelation, type TrackingStatus, trackingStatus } from "./status.ts"
export { type Drift, type DriftProblem, drift, type SyncReport, schemaVersion, syncTracking } from "./sync.ts"
export {
  putTriggerSet,
  settle,
  type TriggerEvent,
  type TriggerFunction,
  type TriggerSet,
  type TriggerSpec,
} from "./trigger-set.ts"
