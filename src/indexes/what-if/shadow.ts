import { Worker } from "node:worker_threads"
import { type ErrorCode, errorCodes, SelectoError } from "../../errors.ts"
import type { Catalog, Skipped } from "./catalog.ts"
import { cacheFolder } from "./data-directory.ts"
import { checkOneStatement } from "./one-statement.ts"
import type { CandidateIndex, WhatIfPlan, WhatIfPlanner } from "./planner.ts"
import type { Answer, Call } from "./worker-protocol.ts"

export interface ShadowOptions {
  /** Where the empty data directory is kept; null: nowhere (each start takes seconds). Default: the user's cache folder. */
  readonly cacheFolder?: string | null | undefined
  /** Milliseconds after which a plan counts as a crash. Default 120,000; a statement cannot be cancelled inside the worker. */
  readonly callTimeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?:
    | ((progress: { readonly phase: string; readonly done: number; readonly total: number }) => void)
    | undefined
  /** Told of each worker started (for tests and measurements). */
  readonly onWorker?: ((worker: Worker) => void) | undefined
}

/** A planner on a private copy of the catalog. Sends nothing to the database that the copy was taken from. */
export interface ShadowPlanner extends WhatIfPlanner {
  readonly name: "shadow"
  /** What the copy lacks, and why. */
  readonly skipped: readonly Skipped[]
  /** The catalog the copy was built from; it holds values of the user's (histograms). */
  readonly catalog: Catalog
  /** Brings the copy to a newer catalog; only relations that changed are made anew. */
  refresh(catalog: Catalog): Promise<{ readonly rebuilt: number }>
}

/** Starts the worker and builds the copy. Throws E_NOT_SUPPORTED without PGlite, E_SHADOW_CRASHED where PGlite fails twice. */
export async function openShadow(catalog: Catalog, options: ShadowOptions = {}): Promise<ShadowPlanner> {
  const shadow = new Shadow(catalog, options)
  await shadow.open()
  return shadow
}

/** Starting and building take seconds, and on a busy machine many. */
const buildTimeoutMs = 300_000
/** Relations, and rows of statistics, of one message between the threads. */
const partSize = 200

class Shadow implements ShadowPlanner {
  readonly name = "shadow" as const
  calls = 0
  skipped: readonly Skipped[] = []
  catalog: Catalog
  readonly #options: ShadowOptions
  #thread: Thread | undefined
  #restarted = false
  #closed = false

  constructor(catalog: Catalog, options: ShadowOptions) {
    this.catalog = catalog
    this.#options = options
  }

  async open(): Promise<void> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    const abort = (): void =>
      void this.#thread?.end(new SelectoError("E_ABORTED", "The signal was aborted.", { cause: signal?.reason }))
    signal?.addEventListener("abort", abort, { once: true })
    try {
      await this.#withRestart(async () => {})
    } catch (error) {
      await this.close()
      throw error
    } finally {
      signal?.removeEventListener("abort", abort)
    }
  }

  canPrice(_candidate: CandidateIndex): boolean {
    return true
  }

  async plan(
    statement: { text: string; values?: readonly unknown[] | undefined },
    candidates: readonly CandidateIndex[],
  ): Promise<WhatIfPlan> {
    this.calls++
    await checkOneStatement(statement.text)
    return this.#withRestart((thread) =>
      thread.call("plan", [{ text: statement.text, values: statement.values ?? [] }, candidates.map(bare)]),
    ) as Promise<WhatIfPlan>
  }

  async size(candidate: CandidateIndex): Promise<number | null> {
    return this.#withRestart((thread) => thread.call("size", [bare(candidate)])) as Promise<number>
  }

  async refresh(catalog: Catalog): Promise<{ readonly rebuilt: number }> {
    this.catalog = catalog
    const result = (await this.#withRestart(async (thread) => {
      await send(thread, catalog)
      return thread.call("refresh", [])
    })) as { rebuilt: number; skipped: Skipped[] }
    this.skipped = [...catalog.skipped, ...result.skipped]
    return { rebuilt: result.rebuilt }
  }

  async close(): Promise<void> {
    this.#closed = true
    const thread = this.#thread
    this.#thread = undefined
    await thread?.end(new SelectoError("E_SHADOW_CRASHED", "The shadow planner was closed."))
  }

  /** Runs against a live worker. After a crash a new one is built from the same catalog, once. */
  async #withRestart(run: (thread: Thread) => Promise<unknown>): Promise<unknown> {
    if (this.#closed) throw new SelectoError("E_SHADOW_CRASHED", "The shadow planner is closed: open a new one.")
    for (;;) {
      try {
        return await run(await this.#started())
      } catch (error) {
        if (!(error instanceof Crash)) throw error
        await this.#thread?.end(error)
        this.#thread = undefined
        if (this.#restarted || this.#closed) {
          throw new SelectoError(
            "E_SHADOW_CRASHED",
            'The embedded planner crashed twice; the statement may be too deep for it. Try whatIf: "server".',
            { cause: error },
          )
        }
        this.#restarted = true
      }
    }
  }

  async #started(): Promise<Thread> {
    if (this.#thread !== undefined) return this.#thread
    const thread = new Thread(this.#options)
    this.#thread = thread
    const progress = this.#options.onProgress ?? (() => {})
    progress({ phase: "start", done: 0, total: 3 })
    const folder = this.#options.cacheFolder === undefined ? cacheFolder() : this.#options.cacheFolder
    await thread.call("start", [folder, this.catalog.extensions.map(({ name }) => name)])
    progress({ phase: "start", done: 1, total: 3 })
    await send(thread, this.catalog)
    progress({ phase: "build", done: 2, total: 3 })
    const skipped = (await thread.call("build", [])) as Skipped[]
    this.skipped = [...this.catalog.skipped, ...skipped]
    progress({ phase: "build", done: 3, total: 3 })
    return thread
  }
}

/** Only what the worker reads: callers keep more beside a candidate, and all of it would be copied. */
function bare({ id, schema, table, method, keys, include, where, unique, distinctShare }: CandidateIndex): CandidateIndex {
  return { id, schema, table, method, keys, include, where, ...(unique === undefined ? {} : { unique }), distinctShare }
}

async function send(thread: Thread, catalog: Catalog): Promise<void> {
  const { relations, statistics } = catalog
  await thread.call("begin", [{ ...catalog, relations: [], statistics: [] }])
  for (let at = 0; at < relations.length; at += partSize) await thread.call("add", [relations.slice(at, at + partSize), []])
  for (let at = 0; at < statistics.length; at += partSize) await thread.call("add", [[], statistics.slice(at, at + partSize)])
}

/** The worker ended, was too slow, or its engine broke. */
class Crash extends Error {}

class Thread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>()
  readonly #timeoutMs: number
  #ended: unknown
  #next = 0

  constructor(options: ShadowOptions) {
    this.#timeoutMs = options.callTimeoutMs ?? 120_000
    // The same file beside this one, compiled or not: whoever runs the sources has a loader for them.
    this.#worker = new Worker(new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url), {
      // Most of its memory is the engine's and outside of the heap; a small nursery keeps the rest from sprawling.
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    })
    this.#worker.unref()
    this.#worker.on("message", (answer: Answer) => this.#answered(answer))
    this.#worker.on("error", (error) => this.#fail(new Crash("The worker failed.", { cause: error })))
    this.#worker.on("exit", () => this.#fail(new Crash("The worker ended.")))
    options.onWorker?.(this.#worker)
  }

  call(method: Call["method"], args: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const id = ++this.#next
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.#fail(new Crash("The worker did not answer in time."))
          void this.#worker.terminate()
        },
        method === "plan" || method === "size" ? this.#timeoutMs : buildTimeoutMs,
      )
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer)
          this.#waiting.delete(id)
          if (this.#waiting.size === 0) this.#worker.unref()
          then(value)
        }
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) })
      this.#worker.ref()
      this.#worker.postMessage({ id, method, args } satisfies Call)
    })
  }

  async end(reason: unknown): Promise<void> {
    this.#fail(reason)
    await this.#worker.terminate()
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    if ("result" in answer) {
      waiting.resolve(answer.result)
      return
    }
    const { code, message, fatal } = answer.error
    if (fatal) this.#fail(new Crash(message))
    else if (code !== null && code in errorCodes) waiting.reject(new SelectoError(code as ErrorCode, message))
    else
      waiting.reject(
        new SelectoError("E_DATABASE", `The shadow planner refused the statement: ${message}`, { sqlState: code ?? undefined }),
      )
  }

  #fail(reason: unknown): void {
    this.#ended ??= reason
    for (const { reject } of [...this.#waiting.values()]) reject(reason)
  }
}
