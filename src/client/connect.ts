import { ResultCache } from "../cache/index.ts"
import { openDatabase } from "../database/open.ts"
import type { AnyDomain } from "../domain/domain.ts"
import { SelectoError } from "../errors.ts"
import { hintStage } from "../hints/index.ts"
import { createMonitor } from "../monitor/index.ts"
import { createParallel } from "../parallel/index.ts"
import type { ScopeArguments, Start } from "../query/types/query.ts"
import { databaseViews, routeStage, viewRouter } from "../views/index.ts"
import { monitorPorts } from "./monitor-ports.ts"
import type { ConnectOptions, ConnectTarget } from "./options.ts"
import { type Selecto, selectoOf } from "./selecto.ts"

/**
 * Connects to a database: a URL (we open a pool and close it), a pg.Pool, the sql of postgres.js, a PGlite or any Database (left
 * open). Nothing is sent until the first statement, unless the monitor is told to watch the server. Throws E_NO_DATABASE_URL for
 * undefined and E_UNSUPPORTED_INPUT for anything else.
 *
 * @example
 * await using selecto = connect(process.env.DATABASE_URL)
 * const rows = await selecto.from(orders).select("id").filter({ status: "paid" }).execute()
 */
export function connect(target: ConnectTarget, options: ConnectOptions = {}): Selecto {
  if (target === undefined || target === "")
    throw new SelectoError(
      "E_NO_DATABASE_URL",
      "connect() got no database. Set DATABASE_URL, or pass a URL, a pg.Pool, a postgres.js sql or a PGlite.",
    )
  const database = openDatabase(target, options)
  const { monitor: watching } = options
  const monitor =
    watching === undefined || watching === false ? null : createMonitor(watching === true ? {} : watching, monitorPorts(database))
  monitor?.service.start()
  const parallel = createParallel(database, options.parallel)
  const router = viewRouter(database, databaseViews(database))
  const cache = new ResultCache(database, options.cache ?? {})
  const stages = [
    cache.stage,
    routeStage(router),
    hintStage(database),
    parallel.stage,
    ...(monitor === null ? [] : [monitor.stage]),
  ]
  // A Database that was passed in is its owner's to close; over a pool the adapter itself leaves the pool open.
  const close = (): Promise<void> => (database === target ? Promise.resolve() : database.close())
  return selectoOf(database, { ...options, close }, stages, { monitor: monitor?.service ?? null, parallel, router, cache })
}

/** A query of a domain over a pool or Database: connect(pool, options).from(domain). A URL is refused: nothing could close it. */
export function configure<D extends AnyDomain>(
  domain: D,
  target: object,
  options: ConnectOptions = {},
  ...scope: ScopeArguments<D>
): Start<D> {
  if (typeof target === "string")
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      "configure() takes a pool or a Database. For a URL use connect(url), which can be closed.",
    )
  return connect(target, options).from(domain, ...scope)
}
