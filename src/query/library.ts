import { modelOf } from "../domain/define.ts"
import type { AnyDomain } from "../domain/domain.ts"
import { SelectoError } from "../errors.ts"
import { QueryBuilder } from "./query.ts"
import type { Start } from "./types/query.ts"

/** Named queries of a domain: each makes a query from a query and its parameters. */
export type QueryLibrary<D extends AnyDomain> = {
  // biome-ignore lint/suspicious/noExplicitAny: each query has parameters of its own
  readonly [name: string]: (query: Start<D>, params: any) => unknown
}

/**
 * A domain's library: segments and prepared views under names, with typed parameters. A query of another domain is refused
 * (E_INVALID_OPTION), so that a name always means the same question.
 *
 * @example
 * const library = defineQueries(ordersDomain, {
 *   paid: (orders) => orders.filter({ status: "paid" }),
 *   above: (orders, { total }: { total: number }) => orders.select("id", "total").filter({ total: gt(total) }),
 * })
 * await library.above(selecto.from(ordersDomain), { total: 100 }).execute()
 */
export function defineQueries<const D extends AnyDomain, L extends QueryLibrary<D>>(domain: D, library: L): Readonly<L> {
  const { name: domainName, root } = modelOf(domain)
  const checked = Object.entries(library).map(([name, build]) => {
    if (typeof build !== "function")
      throw new SelectoError("E_INVALID_OPTION", `${JSON.stringify(name)} must be a function of a query and its parameters.`, {
        path: name,
      })
    const named = (query: unknown, params: unknown): unknown => {
      if (!(query instanceof QueryBuilder) || query.state.domain.root !== root)
        throw new SelectoError("E_INVALID_OPTION", `${name}() takes a query of the domain ${JSON.stringify(domainName)}.`, {
          path: name,
        })
      return build(query as unknown as Start<D>, params)
    }
    return [name, named] as const
  })
  return Object.freeze(Object.fromEntries(checked)) as unknown as Readonly<L>
}
