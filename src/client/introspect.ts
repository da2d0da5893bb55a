import { readCatalog } from "../database/read-catalog.ts"
import { domainOf } from "../domain/define.ts"
import type { AnyDomain, DomainDefinition, DynamicDomain } from "../domain/domain.ts"
import { type Drift, definitionOf, driftOf, type IntrospectOptions } from "./introspection.ts"
import type { Selecto } from "./selecto.ts"

/**
 * A domain read from the live catalog: tables, columns, enums, arrays, and the joins that foreign keys make, both ways and through
 * link tables. Paths are checked when a query is compiled; for types the compiler knows, write the file of domainFile().
 * Throws E_UNKNOWN_TABLE where the root is not there.
 */
export async function introspectDomain(selecto: Selecto, options: IntrospectOptions): Promise<DynamicDomain> {
  return domainOf(await introspectDefinition(selecto, options)) as unknown as DynamicDomain
}

/** The same as plain data, for domainFile() or to be changed before defineDomain(). */
export async function introspectDefinition(selecto: Selecto, options: IntrospectOptions): Promise<DomainDefinition> {
  return definitionOf(await readCatalog(selecto.database), options)
}

/** Where a domain differs from the live catalog; empty where it does not. */
export async function checkDomain(selecto: Selecto, domain: AnyDomain): Promise<Drift[]> {
  return driftOf(await readCatalog(selecto.database), domain.definition)
}
