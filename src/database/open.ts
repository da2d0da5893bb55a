import { SelectoError } from "../errors.ts"
import type { Database, DriverCapabilities } from "./database.ts"
import { importDriver } from "./import-driver.ts"
import { lazyDatabase } from "./lazy.ts"
import { pgDatabase } from "./pg.ts"
import type { PgPoolLike } from "./pg-types.ts"
import { pgliteDatabase } from "./pglite.ts"
import type { PGliteLike } from "./pglite-link.ts"
import { importPostgresJs, postgresJsCapabilities, postgresJsDatabase } from "./postgres-js.ts"
import type { PostgresJsLike } from "./postgres-js-types.ts"

/** How a connection of our own is opened. None of it applies to a pool, PGlite or Database that is passed in. */
export interface OpenOptions {
  /** The same database past a transaction pooler, for LISTEN, exported snapshots and CONCURRENTLY. */
  readonly directUrl?: string | undefined
  /** Shown in pg_stat_activity. Default "selecto". */
  readonly applicationName?: string | undefined
  /** Most connections of the pool. Default 10. */
  readonly maxConnections?: number | undefined
  /** Given to pg's Pool as they are: `ssl`, a `password` function for rotating tokens, `connectionTimeoutMillis` … */
  readonly pool?: Readonly<Record<string, unknown>> | undefined
}

/** What {@link openDatabase} takes. */
export type DatabaseTarget =
  | string
  | { readonly url: string; readonly directUrl?: string | undefined }
  | PgPoolLike
  | PostgresJsLike
  | PGliteLike
  | Database

/**
 * A {@link Database} over what the caller has: a URL (a pool of ours, ended by close()), a pg.Pool, the sql of postgres.js, a PGlite, or
 * a Database, which is returned as it is. Nothing is loaded or connected before the first statement. Errors: E_NO_DATABASE_URL for undefined or "",
 * E_UNSUPPORTED_INPUT for anything else.
 */
export function openDatabase(target: unknown, options: OpenOptions = {}): Database {
  if (target === undefined || target === "") {
    throw new SelectoError(
      "E_NO_DATABASE_URL",
      "No database was given. Set DATABASE_URL, or pass a URL, a pg.Pool, a postgres.js sql or a PGlite.",
    )
  }
  if (typeof target === "string") return openUrl(target, options)
  if ((typeof target !== "object" && typeof target !== "function") || target === null) throw refused(typeof target)
  if (isDatabase(target)) return target
  if (isPglite(target)) return pgliteDatabase(target)
  if (isPool(target)) return overPool(target, options)
  if ("unsafe" in target && "typed" in target) return overPostgresJs(target as PostgresJsLike, options)
  const { url, directUrl } = target as { url?: unknown; directUrl?: string }
  if (typeof url === "string") return openUrl(url, { ...options, directUrl: directUrl ?? options.directUrl })
  if ("connect" in target && "query" in target) {
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      "This looks like a pg.Client. Pass a pg.Pool: cancelling needs a second connection.",
    )
  }
  throw refused("an object of another kind")
}

function refused(what: string): SelectoError {
  return new SelectoError(
    "E_UNSUPPORTED_INPUT",
    `A database is a URL, a pg.Pool, a postgres.js sql, a PGlite or a Database; this is ${what}.`,
  )
}

function isDatabase(target: object): target is Database {
  return "driver" in target && "capabilities" in target && "acquire" in target
}

function isPglite(target: object): target is PGliteLike {
  return "execProtocol" in target && "runExclusive" in target
}

function isPool(target: object): target is PgPoolLike {
  return "connect" in target && "query" in target && "totalCount" in target
}

function overPool(pool: PgPoolLike, options: OpenOptions): Database {
  const { directUrl } = options
  return pgDatabase(pool, {
    direct: directUrl === undefined ? undefined : openUrl(directUrl, { ...options, directUrl: undefined }),
  })
}

function overPostgresJs(sql: PostgresJsLike, options: OpenOptions): Database {
  if (!("options" in sql && "end" in sql))
    throw new SelectoError(
      "E_UNSUPPORTED_INPUT",
      "This is the sql of a transaction of postgres.js. Pass the one that postgres(…) returned: cancelling needs a second connection.",
    )
  const { directUrl } = options
  return postgresJsDatabase(sql, { direct: directUrl === undefined ? undefined : openPostgresJs(directUrl, options) })
}

/** Whoever uses postgres.js need not have installed pg. */
function openPostgresJs(url: string, options: OpenOptions): Database {
  const open = async (): Promise<Database> => {
    const { default: postgres } = await importPostgresJs()
    const sql = postgres(url, {
      max: options.maxConnections ?? 10,
      onnotice: () => {},
      connection: { application_name: options.applicationName ?? "selecto" },
    })
    return postgresJsDatabase(sql, { owned: true })
  }
  return lazyDatabase("postgres.js", postgresJsCapabilities, open)
}

interface PgModule {
  readonly default: {
    readonly Pool: new (options: object) => PgPoolLike
    readonly Client: new (options: object) => PgClientParts
  }
}

interface PgClientParts {
  password: unknown
  readonly connectionParameters: { password: unknown }
}

/**
 * The driver lets a URL without a password override a password that was given beside it, such as a function that fetches tokens:
 * its clients get it back.
 */
function withPassword(Client: PgModule["default"]["Client"], password: unknown): PgModule["default"]["Client"] {
  return class extends Client {
    constructor(options: object) {
      super(options)
      if (this.password) return
      Object.defineProperty(this, "password", { value: password, configurable: true, writable: true })
      this.connectionParameters.password = password
    }
  }
}

const capabilities: DriverCapabilities = { sessions: "many", cancel: true, listen: true, pipeline: true }

function openUrl(url: string, options: OpenOptions): Database {
  if (!/^(?:postgres(?:ql)?|socket):\/\/|^\/|=/.test(url)) {
    throw new SelectoError("E_UNSUPPORTED_INPUT", "The database URL must look like postgresql://user@host:5432/database.")
  }
  const { directUrl } = options
  const direct = directUrl === undefined ? undefined : openUrl(directUrl, { ...options, directUrl: undefined })
  const open = async (): Promise<Database> => {
    const module = await importDriver<PgModule>("pg", () => import("pg"))
    const { password } = options.pool ?? {}
    const pool = new module.default.Pool({
      ...(password === undefined ? {} : { Client: withPassword(module.default.Client, password) }),
      application_name: options.applicationName ?? "selecto",
      ...(options.maxConnections === undefined ? {} : { max: options.maxConnections }),
      ...options.pool,
      connectionString: url,
    })
    return pgDatabase(pool, { owned: true })
  }
  const { max = options.maxConnections } = (options.pool ?? {}) as { max?: unknown }
  return lazyDatabase("pg", max === 1 ? { ...capabilities, sessions: "one" } : capabilities, open, direct)
}
