import type { Relation, RelationName } from "../database/catalog.ts"

/** A materialized view that queries may be answered from. */
export interface ViewDefinition extends RelationName {
  /**
   * Its SELECT as pg_get_viewdef gives it, read by the session that rewrites: names resolve there, and times are written with their zone.
   * The text that the user wrote would be read with another search path and another time zone than it was made with.
   */
  readonly text: string
  /** Names of its columns, in order. */
  readonly columns: readonly string[]
  /**
   * TimeZone that every refresh runs with, where its owner pinned one; null where none is. Only then may a query of a session with the same
   * zone take from it what depends on it, such as the day of a timestamptz.
   */
  readonly timeZone: string | null
}

/** The definition of a materialized view as the catalog has it. */
export function definitionOf(relation: Relation, timeZone: string | null = null): ViewDefinition {
  return {
    schema: relation.schema,
    name: relation.name,
    text: (relation.query ?? "").trim().replace(/;$/, ""),
    columns: relation.columns.map((column) => column.name),
    timeZone,
  }
}
