import { SelectoError } from "../errors.ts"
import { type CompiledQuery, compileRows } from "./compile.ts"
import { columnsOf } from "./compile-source.ts"
import { orderOf } from "./expression.ts"
import { type SetNode, type SourceNode, sourceKey, sourceOf } from "./source.ts"
import type { Difference, Union } from "./types/sets.ts"

/** Two queries as one: immutable, without a connection of its own. Connected ones extend it and override {@link derive}. */
export class SetBuilder {
  readonly node: SetNode
  #compiled: CompiledQuery | undefined

  constructor(node: SetNode) {
    this.node = node
  }

  protected derive(node: SetNode): this {
    return new SetBuilder(node) as this
  }

  /** A set operation of the same kind, connected where this one is. */
  setOver(node: SetNode): SetBuilder {
    return this.derive(node)
  }

  compiled(): CompiledQuery {
    this.#compiled ??= compileRows(this.node)
    return this.#compiled
  }

  toSql(): { text: string; values: unknown[] } {
    const { text, values } = this.compiled()
    return { text, values: [...values] }
  }

  orderBy(...by: readonly unknown[]): this {
    return this.derive({ ...this.node, orderBy: [...this.node.orderBy, ...by.map(orderOf)] })
  }

  limit(rows: number): this {
    return this.derive({ ...this.node, limit: wholeNumber("limit", rows) })
  }

  offset(rows: number): this {
    return this.derive({ ...this.node, offset: wholeNumber("offset", rows) })
  }
}

/** What the compiler reads where this stands inside a query. Outside the class: its declaration needs no computed name then. */
Object.defineProperty(SetBuilder.prototype, sourceKey, {
  get(this: SetBuilder): SourceNode {
    return this.node
  },
})

function wholeNumber(name: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value
  throw new SelectoError("E_INVALID_OPTION", `${name}() takes a whole number, zero or more.`, { path: name })
}

interface SetOptions {
  readonly all?: boolean | undefined
}

function operation(operator: SetNode["operator"]): (first: unknown, second: unknown, options?: SetOptions) => SetBuilder {
  const name = `${operator.toLowerCase()}()`
  return (first, second, options = {}) => {
    const node: SetNode = {
      source: "set",
      operator,
      all: options.all === true,
      left: sourceOf(first, name),
      right: sourceOf(second, name),
      orderBy: [],
      limit: null,
      offset: null,
    }
    const maker = first as { setOver?: (node: SetNode) => SetBuilder }
    const made = typeof maker.setOver === "function" ? maker.setOver(node) : new SetBuilder(node)
    // Unlike sides are found where the mistake is made.
    columnsOf(node)
    return made
  }
}

/**
 * `(…) UNION (…)`: rows of either query, each once; `{ all: true }` keeps duplicates. Columns are matched by name; E_UNLIKE_COLUMNS otherwise.
 */
export const union: Union = operation("UNION") as unknown as Union
/** `(…) INTERSECT (…)`: rows of the first that are rows of the second. */
export const intersect: Difference = operation("INTERSECT") as unknown as Difference
/** `(…) EXCEPT (…)`: rows of the first that are not rows of the second. */
export const except: Difference = operation("EXCEPT") as unknown as Difference
