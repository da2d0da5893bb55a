import { SelectoError } from "../errors.ts"
import { buildModel } from "./build.ts"
import type { DefineDomain } from "./domain.ts"
import type { DomainModel } from "./model.ts"

const modelKey: unique symbol = Symbol.for("selecto-pg.domain") as typeof modelKey

interface Defined {
  readonly name: string
  readonly definition: unknown
  readonly [modelKey]: DomainModel
}

/**
 * Describes tables, the ways between them and what may be read of them. The definition is checked whole: E_INVALID_DOMAIN lists
 * every fault with its path and what was probably meant. The result is immutable and knows no connection.
 *
 * @example
 * const orders = defineDomain({
 *   name: "Orders",
 *   source: { table: "orders", primaryKey: "id", columns: { id: "integer", total: "decimal", note: "string?" } },
 * })
 */
export const defineDomain: DefineDomain = ((definition: unknown) => domainOf(definition)) as unknown as DefineDomain

/** A domain value of a definition that only run time knows, such as one read from a live catalog. */
export function domainOf(definition: unknown): Defined {
  const model = buildModel(definition)
  return Object.freeze({ name: model.name, definition, [modelKey]: model })
}

/** The model of a domain value. Throws E_INVALID_DOMAIN for anything that defineDomain or introspectDomain did not make. */
export function modelOf(domain: unknown): DomainModel {
  if (typeof domain === "object" && domain !== null && modelKey in domain) return (domain as Defined)[modelKey]
  throw new SelectoError("E_INVALID_DOMAIN", "This is not a domain: pass what defineDomain() or introspectDomain() returned.")
}
