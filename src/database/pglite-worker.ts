import { Worker } from "node:worker_threads"
import type { Database } from "./database.ts"
import { importDriver } from "./import-driver.ts"
import { Lock } from "./lock.ts"
import { linkedDatabase } from "./pglite.ts"
import { type LinkReply, type PGliteLike, type PGliteLink, parserIn } from "./pglite-link.ts"
import type { ThreadOptions, ThreadReply, ThreadRequest } from "./pglite-thread.ts"
import { runStep } from "./wire.ts"

/** How to make an embedded database. */
export interface PGliteWorkerOptions {
  /** Folder of its files. Default: in memory, gone with the process. */
  readonly dataDir?: string | undefined
  /** Extensions that ship with PGlite, such as "pg_stat_statements"; CREATE EXTENSION is still the caller's. */
  readonly extensions?: readonly string[] | undefined
  /** Further arguments of the server, such as `["-c", "shared_buffers=64MB"]`. */
  readonly startParams?: readonly string[] | undefined
  /** The bytes of a dump that {@link EmbeddedDatabase.dumpDataDir} gave. */
  readonly loadDataDir?: Uint8Array | undefined
}

/** A database of its own thread; close() ends the thread. */
export interface EmbeddedDatabase extends Database {
  /** The whole data directory as a tar file, to start another from. */
  dumpDataDir(): Promise<Uint8Array>
}

/**
 * Starts a PGlite in a worker thread, so that a long statement does not block the caller's. One session, no cancel: an abort or
 * timeout is heard when the statement has ended. Errors: E_DRIVER_MISSING without @electric-sql/pglite.
 */
export async function openPgliteWorker(options: PGliteWorkerOptions = {}): Promise<EmbeddedDatabase> {
  const { types } = await importDriver<PGliteModule>("@electric-sql/pglite", () => import("@electric-sql/pglite"))
  const parsers = { ...types.parsers }
  const link = new ThreadLink(parsers, {
    dataDir: options.dataDir,
    extensions: options.extensions ?? [],
    startParams: options.startParams ?? [],
    loadDataDir: options.loadDataDir,
  })
  try {
    const { results } = await link.exchange([runStep(arrayTypes, [])])
    for (const [array, element] of results[0]!.rows) {
      parsers[Number(array)] = (text) => types.arrayParser(text, parsers[Number(element)], Number(array))
    }
  } catch (error) {
    await link.close()
    throw error
  }
  const database = linkedDatabase("pglite", link, { owned: true })
  return Object.assign(Object.create(database) as Database, { dumpDataDir: () => link.dump() })
}

interface PGliteModule {
  readonly types: {
    readonly parsers: PGliteLike["parsers"]
    arrayParser(text: string, parser: unknown, typeId: number): unknown
  }
}

/** PGlite asks the same when it starts; this thread has no instance to ask. */
const arrayTypes = "select typarray, oid from pg_catalog.pg_type where typarray <> 0 /* selecto:database */"

class ThreadLink implements PGliteLink {
  readonly #parsers: PGliteLike["parsers"]
  readonly #worker: Worker
  readonly #lock = new Lock()
  readonly #waiting = new Map<number, { resolve(answer: never): void; reject(error: Error): void }>()
  readonly #listeners = new Set<(channel: string, payload: string) => void>()
  #ids = 0
  #end: Promise<void> | null = null
  closed = false

  constructor(parsers: PGliteLike["parsers"], options: ThreadOptions) {
    this.#parsers = parsers
    // Beside this file, with its ending: .ts under a test runner, .js in the package.
    const ending = import.meta.url.endsWith(".ts") ? "ts" : "js"
    this.#worker = new Worker(new URL(`./pglite-thread.${ending}`, import.meta.url), {
      workerData: { selectoPglite: true, options },
    })
    this.#worker.on("message", (reply: ThreadReply) => this.#answered(reply))
    this.#worker.on("error", (error) => this.#lost(error))
    this.#worker.on("exit", () => this.#lost(new Error("Connection terminated: the embedded database's thread ended")))
    // An embedded database in memory is no reason to keep a program alive; a call under way is.
    this.#worker.unref()
  }

  exchange(steps: readonly unknown[]): Promise<LinkReply> {
    return this.#ask({ kind: "exchange", steps: steps as never })
  }

  parserOf(typeId: number): (text: string) => unknown {
    return parserIn(this.#parsers, typeId)
  }

  dump(): Promise<Uint8Array> {
    return this.#ask({ kind: "dump" })
  }

  hold(): Promise<() => void> {
    return this.#lock.take()
  }

  onNotification(listener: (channel: string, payload: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#end ??= (async () => {
      const free = await this.#lock.take()
      if (!this.closed) await this.#ask({ kind: "close" }).catch(() => {})
      this.closed = true
      await this.#worker.terminate()
      free()
    })()
    return this.#end
  }

  #ask<T>(request: Ask): Promise<T> {
    if (this.closed) return Promise.reject(new Error("PGlite is closed"))
    const id = ++this.#ids
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.ref()
      this.#worker.postMessage({ id, ...request } as ThreadRequest)
    })
  }

  #answered(reply: ThreadReply): void {
    if (reply.id === null) {
      for (const listener of this.#listeners) listener(reply.channel, reply.payload)
      return
    }
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if ("failure" in reply) waiting?.reject(new Error(reply.failure))
    else waiting?.resolve(reply.answer as never)
  }

  #lost(error: Error): void {
    this.closed = true
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}

type Ask = ThreadRequest extends infer Request ? (Request extends { id: number } ? Omit<Request, "id"> : never) : never
