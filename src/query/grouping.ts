import type { DomainModel, FieldModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"

/** Which paths one part of a query uses outside aggregates. */
export interface GroupingUse {
  /** Name of the selected column; null for having and order. */
  readonly item: string | null
  readonly fields: readonly {
    readonly field: FieldModel /** The custom column it was used for. */
    readonly via: FieldModel | null
  }[]
  readonly aggregate: boolean
}

/** One set of ROLLUP, CUBE or GROUPING SETS. */
export interface GroupingSetItem {
  readonly paths: readonly FieldModel[]
  readonly names: ReadonlySet<string>
}

/**
 * In a grouped query a column outside an aggregate must be grouped, or hang on a grouped primary key of its table (PostgreSQL's
 * rule of functional dependency), or stand in a selected expression that is grouped by its alias. Else E_NOT_GROUPED.
 */
export function checkGrouping(
  model: DomainModel,
  uses: readonly GroupingUse[],
  grouped: readonly FieldModel[],
  names: ReadonlySet<string>,
  sets: readonly GroupingSetItem[] = [],
): void {
  // A column of some sets only is null in the others, so it is grouped, but its key brings no other column along.
  const setColumns = new Set(sets.flatMap((set) => set.paths.map((field) => field.sql)))
  const setNames = new Set(sets.flatMap((set) => [...set.names]))
  const columns = new Set(grouped.map((field) => field.sql))
  for (const use of uses) {
    if (use.item !== null && (names.has(use.item) || setNames.has(use.item))) continue
    for (const { field, via } of use.fields) {
      if (
        columns.has(field.sql) ||
        setColumns.has(field.sql) ||
        (via !== null && (names.has(via.path) || setNames.has(via.path)))
      )
        continue
      const { join } = field
      const keyed =
        join.table.primaryKey.length > 0 &&
        join.table.primaryKey.every((column) => columns.has(`${join.quotedAlias}.${keyColumn(model, field, column)}`))
      if (keyed) continue
      throw new SelectoError(
        "E_NOT_GROUPED",
        `${JSON.stringify(field.path)} is neither grouped nor inside an aggregate. Add it to groupBy(), or use min(), max() or count() of it.`,
        { path: field.path },
      )
    }
  }
}

function keyColumn(model: DomainModel, field: FieldModel, column: string): string {
  const path = field.join.path === "" ? column : `${field.join.path}.${column}`
  return model.fields.get(path)?.quotedColumn ?? column
}
