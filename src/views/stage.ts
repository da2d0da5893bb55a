import { isSelectoError } from "../errors.ts"
import type { Request, Response, Stage } from "../execution/request.ts"
import { asksForViews } from "./route-option.ts"
import type { RouteDecision, ViewRouter } from "./router.ts"

/** The view was dropped, renamed, changed or emptied since it was read. */
const gone: ReadonlySet<string> = new Set(["42P01", "42703", "42804", "42883", "55000"])

/** The pipeline's stage `route`: reads `request.options.route`, sends the statement to a view, and tells why or why not in `report.route`. */
export function routeStage(router: ViewRouter): Stage {
  const run = async (request: Request, next: (request: Request) => Promise<Response>): Promise<Response> => {
    const decision = await router.decide(request)
    if (decision.text === null) return told(await next(request), decision)
    try {
      const { rows, columns, report } = await next(routed(request, decision.text))
      const asOf = decision.age === null ? null : { snapshot: null, at: new Date(Date.now() - decision.age) }
      return { rows, columns, report: { ...report, source: "view", view: decision.view, asOf, route: decision } }
    } catch (error) {
      if (!isSelectoError(error) || !gone.has(error.sqlState ?? "")) throw error
      router.forget()
      const reason = `${decision.view} is not what it was: ${error.message}`
      return told(await next(request), { ...decision, view: null, text: null, age: null, reason })
    }
  }
  return {
    name: "route",
    run: (request, next) => (asksForViews(request.options.route) ? run(request, next) : next(request)),
    prepare: async (request) => {
      if (!asksForViews(request.options.route)) return request
      const { text } = await router.decide(request)
      return text === null ? request : routed(request, text)
    },
  }
}

function routed(request: Request, text: string): Request {
  return { ...request, statement: { text, values: request.statement.values } }
}

function told({ rows, columns, report }: Response, route: RouteDecision): Response {
  return { rows, columns, report: { ...report, route } }
}
