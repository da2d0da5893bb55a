import type { ShapeRelation } from "./shape.ts"

/** A CTE as it can be seen from a place in the statement. */
export interface VisibleCte {
  readonly block: number
  /** Column names after its name, if any. */
  readonly columns: readonly string[]
}

/** Names that can be seen from a place: the relations of a block, then those of the blocks around it. */
export interface Scope {
  readonly block: number
  readonly relations: ShapeRelation[]
  readonly parent: Scope | null
  readonly ctes: ReadonlyMap<string, VisibleCte>
}

/** The relation that a qualifier names, innermost block first; null when none does. */
export function findQualifier(scope: Scope, schema: string | null, qualifier: string): ShapeRelation | null {
  for (let at: Scope | null = scope; at !== null; at = at.parent) {
    const found = at.relations.find(
      (relation) =>
        (relation.alias ?? relation.name) === qualifier &&
        (schema === null || (relation.alias === null && (relation.schema ?? schema) === schema)),
    )
    if (found !== undefined) return found
  }
  return null
}
