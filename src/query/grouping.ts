import type { DomainModel, FieldModel } from "../domain/model.ts"
import { SelectoError } from "../errors.ts"
import type { Block } from "./block.ts"

interface FieldUse {
  readonly field: FieldModel
  /** The custom column it was used for. */
  readonly via: FieldModel | null
}

/** Which paths one part of a query uses outside aggregates. */
export interface GroupingUse {
  /** Name of the selected column; null for having and order. */
  readonly item: string | null
  readonly fields: readonly FieldUse[]
  readonly aggregate: boolean
}

const none: readonly FieldUse[] = []

/** Notes which paths the parts of a query use, one part after the other. */
export class UseNotes {
  readonly all: GroupingUse[] = []
  readonly #block: Block
  #fields: FieldUse[] | null = null
  #aggregates = 0

  constructor(block: Block) {
    this.#block = block
  }

  readonly #note = (field: FieldModel, via: FieldModel | null): void => {
    if (field.column === null) return
    this.#fields ??= []
    this.#fields.push({ field, via })
  }

  begin(): void {
    this.#fields = null
    this.#aggregates = this.#block.aggregates
    this.#block.onPath = this.#note
  }

  /** Ends the part: a selected column, or a clause (null). */
  end(item: string | null): void {
    this.#block.onPath = null
    this.all.push({ item, fields: this.#fields ?? none, aggregate: this.#block.aggregates > this.#aggregates })
  }

  /** Compiles a clause as a part. */
  of<T>(step: () => T): T {
    this.begin()
    const result = step()
    this.end(null)
    return result
  }
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
