import { availableParallelism } from "node:os"
import { performance as clock } from "node:perf_hooks"
import { Worker } from "node:worker_threads"
import type { ResultField } from "../database/database.ts"
import { jsonLines } from "./json-lines.ts"

/** Above this share of its time the event loop is what the rows wait for. */
const busy = 0.7
/** How long it is watched before a thread is started. */
const watchMs = 300

/**
 * Turns copied rows into lines of JSON: in this thread, or in threads of its own once this one is what the rows wait for.
 * `threads`: how many at most; undefined leaves it to that, 0 forbids it.
 */
export class JsonWriter {
  readonly #fields: readonly ResultField[]
  readonly #here: (bytes: Uint8Array) => Uint8Array
  readonly #most: number
  readonly #eager: boolean
  readonly #threads: Thread[] = []
  #watched = clock.eventLoopUtilization()
  #since = performance.now()

  constructor(fields: readonly ResultField[], threads: number | undefined) {
    this.#fields = fields
    this.#here = jsonLines(fields)
    this.#eager = threads !== undefined && threads > 0
    // A runner that takes types away does so in this thread only.
    this.#most = import.meta.url.endsWith(".ts") ? 0 : (threads ?? Math.max(0, Math.min(4, availableParallelism() - 1)))
  }

  /** Threads that were started. */
  get threads(): number {
    return this.#threads.length
  }

  async lines(bytes: Uint8Array): Promise<Uint8Array> {
    this.#grow()
    const thread = this.#threads.reduce<Thread | null>(
      (best, one) => (best === null || one.waiting < best.waiting ? one : best),
      null,
    )
    return thread === null ? this.#here(bytes) : thread.convert(bytes)
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()))
  }

  #grow(): void {
    if (this.#threads.length >= this.#most) return
    if (!this.#eager) {
      if (performance.now() - this.#since < watchMs) return
      const { utilization } = clock.eventLoopUtilization(this.#watched)
      this.#watched = clock.eventLoopUtilization()
      this.#since = performance.now()
      if (utilization < busy) return
    }
    this.#threads.push(new Thread(this.#fields))
  }
}

class Thread {
  readonly #worker: Worker
  readonly #waiting: { resolve(lines: Uint8Array): void; reject(error: Error): void }[] = []

  constructor(fields: readonly ResultField[]) {
    this.#worker = new Worker(new URL("./json-thread.js", import.meta.url), { workerData: { selectoJsonLines: fields } })
    this.#worker.on("message", (lines: Uint8Array) => this.#waiting.shift()?.resolve(lines))
    this.#worker.on("error", (error) => this.#fail(error))
    this.#worker.on("exit", () => this.#fail(new Error("The thread that writes JSON ended.")))
  }

  get waiting(): number {
    return this.#waiting.length
  }

  convert(bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.postMessage(bytes)
    })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
