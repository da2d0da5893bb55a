import { SelectoError } from "../errors.ts"
import type { Database, DriverCapabilities } from "./database.ts"

/**
 * A database whose driver is loaded and opened when it is first used. `open` runs once; when it fails, the next call tries again.
 */
export function lazyDatabase(
  driver: string,
  capabilities: DriverCapabilities,
  open: () => Promise<Database>,
  direct?: Database,
): Database {
  let opened: Database | null = null
  let opening: Promise<Database> | null = null
  let closed: Promise<void> | null = null
  const ready = async (): Promise<Database> => {
    if (closed !== null) throw new SelectoError("E_POOL_CLOSED", "This connection is closed. Open a new one with connect().")
    opening ??= open()
    try {
      opened = await opening
      return opened
    } catch (error) {
      opening = null
      throw error
    }
  }
  const database: Database = {
    driver,
    capabilities,
    acquire: async (options) => (opened ?? (await ready())).acquire(options),
    free: () => opened?.free?.() ?? null,
    query: (statement, options) => opened?.query(statement, options) ?? ready().then((one) => one.query(statement, options)),
    queryText: (statement, options) =>
      opened?.queryText(statement, options) ?? ready().then((one) => one.queryText(statement, options)),
    listen: async (channels, onNotice, onLoss) => {
      const { listen } = opened ?? (await ready())
      if (listen === undefined) throw new SelectoError("E_NOT_SUPPORTED", `The driver ${driver} has no LISTEN.`)
      return listen.call(opened, channels, onNotice, onLoss)
    },
    get direct() {
      return direct ?? database
    },
    close() {
      closed ??= (async () => {
        if (opening !== null) await (await opening.catch(() => null))?.close()
        await direct?.close()
      })()
      return closed
    },
  }
  return database
}
