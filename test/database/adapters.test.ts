import pg from "pg"
import postgres from "postgres"
import { openDatabase } from "../../src/database/open.ts"
import { openPgliteWorker } from "../../src/database/pglite-worker.ts"
import { eachServer } from "../support/each-server.ts"
import { conformance } from "./conformance.ts"

eachServer("openDatabase(url or PGlite)", (target) => {
  conformance(target.label, { open: async () => openDatabase(target.source) })
})

eachServer(
  "a user's pool",
  (target) => {
    let pool: pg.Pool
    const types = new (class {
      getTypeParser(typeId: number, format?: "text" | "binary") {
        // Parsers that a user might set: they must not reach rows of text.
        return typeId === 20 ? (text: string) => ({ wrapped: text }) : pg.types.getTypeParser(typeId, format as "text")
      }
    })()
    conformance("with its own parsers and a query_timeout", {
      open: async () => {
        pool = new pg.Pool({ connectionString: target.server.url, types: types as never, query_timeout: 30_000, max: 4 })
        return openDatabase(pool)
      },
      cleanUp: () => pool.end(),
    })
  },
  { pglite: false, versions: [18] },
)

eachServer(
  "a user's pipelining pool",
  (target) => {
    let pool: pg.Pool
    conformance("with pipeline: true", {
      open: async () => {
        pool = new pg.Pool({ connectionString: target.server.url, pipeline: true } as pg.PoolConfig)
        return openDatabase(pool)
      },
      cleanUp: () => pool.end(),
    })
  },
  { pglite: false, versions: [18] },
)

eachServer(
  "a user's postgres.js",
  (target) => {
    let sql: postgres.Sql
    conformance(target.label, {
      open: async () => {
        sql = postgres(target.server.url, { onnotice: unexpected })
        return openDatabase(sql)
      },
      cleanUp: () => sql.end(),
      maxParameters: 65_533,
    })
  },
  { pglite: false },
)

/** The driver prints notices where nobody takes them: nothing of ours may cause one, but what the suite does on purpose. */
function unexpected(notice: postgres.Notice): void {
  if (!/does not exist, skipping/.test(notice.message ?? "")) throw new Error(notice.message)
}

conformance("PGlite in a worker", { open: () => openPgliteWorker() })
