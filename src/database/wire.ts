import type { BoundValue } from "./bound-value.ts"
import type { Result, ResultField, TextRow } from "./database.ts"

/**
 * One thing to do in an exchange of the extended query protocol (PostgreSQL documentation, "Message Flow"). A whole list of steps
 * travels in one write and ends with one Sync: one round trip, and the first error skips the rest.
 */
export type WireStep =
  /** Parse, bind and execute; with `portal`, at most `maxRows` rows, the rest for later `fetch` steps. */
  | {
      readonly kind: "run"
      readonly text: string
      readonly values: readonly BoundValue[]
      readonly portal: string
      readonly maxRows: number
    }
  /** Further rows of a portal. */
  | { readonly kind: "fetch"; readonly portal: string; readonly maxRows: number }
  /** Frees a portal. Has no result. */
  | { readonly kind: "close"; readonly portal: string }

/** What one `run` or `fetch` step answered. */
export interface StepResult extends Result<TextRow> {
  /** True when the portal has more rows. */
  suspended: boolean
}

/** A column as drivers describe it. */
export interface WireField {
  readonly name: string
  readonly dataTypeID: number
}

/** A statement without a portal of its own. */
export function runStep(text: string, values: readonly BoundValue[]): WireStep {
  return { kind: "run", text, values, portal: "", maxRows: 0 }
}

/** Collects the server's messages of one exchange into a result per `run` or `fetch` step. */
export class WireCollector {
  readonly results: StepResult[] = []
  #fields: readonly ResultField[] = []
  #rows: TextRow[] = []

  rowDescription(fields: readonly WireField[]): void {
    this.#fields = fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID }))
  }

  dataRow(fields: TextRow): void {
    this.#rows.push(fields)
  }

  commandComplete(tag: string): void {
    this.#finish(tag, false)
  }

  portalSuspended(): void {
    this.#finish("SELECT", true)
  }

  #finish(tag: string, suspended: boolean): void {
    const space = tag.indexOf(" ")
    const count = /(\d+)$/.exec(tag)
    this.results.push({
      rows: this.#rows,
      fields: this.#fields,
      rowCount: count === null ? null : Number(count[1]),
      command: space === -1 ? tag : tag.slice(0, space),
      suspended,
    })
    this.#fields = []
    this.#rows = []
  }
}
