import { databasePart } from "./database.ts"
import { indexesPart } from "./indexes.ts"
import { ioPart } from "./io.ts"
import type { Part } from "./part.ts"
import { replicationPart } from "./replication.ts"
import { connectionsPart, preparedPart } from "./sessions.ts"
import { settingsPart } from "./settings.ts"
import { statementsPart } from "./statements.ts"
import { tablesPart } from "./tables.ts"
import { sequencesPart, vacuumProgressPart, wraparoundPart } from "./upkeep.ts"

/** What a round reads, in this order. Some of them remember what they read before: made anew for another server. */
export interface Parts {
  readonly settings: typeof settingsPart
  readonly statements: ReturnType<typeof statementsPart>
  readonly database: typeof databasePart
  readonly tables: typeof tablesPart
  readonly indexes: typeof indexesPart
  readonly io: typeof ioPart
  readonly connections: typeof connectionsPart
  readonly prepared: typeof preparedPart
  readonly wraparound: typeof wraparoundPart
  readonly vacuumProgress: typeof vacuumProgressPart
  readonly sequences: typeof sequencesPart
  readonly replication: typeof replicationPart
}

export function createParts(): Parts {
  return {
    settings: settingsPart,
    statements: statementsPart(),
    database: databasePart,
    tables: tablesPart,
    indexes: indexesPart,
    io: ioPart,
    connections: connectionsPart,
    prepared: preparedPart,
    wraparound: wraparoundPart,
    vacuumProgress: vacuumProgressPart,
    sequences: sequencesPart,
    replication: replicationPart,
  }
}

export type PartName = keyof Parts

/** The readings of a round; a part that was not due, or failed, is not in it. */
export type Readings = { -readonly [K in PartName]?: Parts[K] extends Part<infer R> ? R : never }
