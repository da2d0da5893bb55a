import type { RewriteOptions, Rewriting } from "./rewriter.ts"
import type { ViewRouter } from "./router.ts"

/** `selecto.views`. */
export interface ViewService {
  /**
   * The statement as one over materialized views that returns the same rows and types, or the reason, view by view, why there is none.
   * Says nothing about how old the views are: who runs the text decides that. Takes the parameters of the statement.
   *
   * @example
   * await selecto.views.rewrite("select region, sum(total) from orders group by region", { judge: "semantics" })
   * // { text: "SELECT sales.region, sum(sales.s) AS sum FROM public.sales AS sales GROUP BY sales.region", views: ["public.sales"], … }
   */
  rewrite(text: string, options?: RewriteOptions): Promise<Rewriting>
}

export function viewService(router: ViewRouter): ViewService {
  return { rewrite: (text, options) => router.rewrite(text, options) }
}
