import { LRUCache } from "lru-cache"
import type { Database } from "../database/database.ts"
import type { Choice } from "./choose.ts"
import type { Estimate } from "./estimate.ts"
import type { SplitPlan } from "./plan.ts"

/** What is remembered of a statement, by its text. */
export interface Memory {
  estimate: Estimate | null
  tuned: Estimate | null
  /** When the planner was asked, by performance.now(). */
  estimatedAt: number
  /** The plan of its split for these options, or why there is none. */
  split: {
    readonly key: string
    readonly plan: SplitPlan | string
    readonly partsCost: number | null
    readonly mostParts: number
    readonly at: number
  } | null
  /** Wall milliseconds of recent runs. */
  readonly times: Partial<Record<Choice, number>>
  /** Rows of the last run, and how much of it this process was idle. */
  rows: number | null
  idle: number | null
}

/** What is remembered of a database: its statements, how far it is, how fast. */
export class ServerMemory {
  readonly #statements = new LRUCache<string, Memory>({
    max: 1000,
    maxSize: 8_000_000,
    maxEntrySize: 400_000,
    sizeCalculation: (_memory, text) => text.length + 1000,
  })
  #roundTripMs = Number.POSITIVE_INFINITY
  /** Milliseconds that a unit of the planner's cost takes here, at first a common machine's with its data in memory. */
  #msPerCost = 0.008
  #pooler: Promise<"session" | "transaction" | null> | null = null

  of(text: string): Memory {
    let memory = this.#statements.get(text)
    if (memory === undefined) {
      memory = { estimate: null, tuned: null, estimatedAt: 0, split: null, times: {}, rows: null, idle: null }
      this.#statements.set(text, memory)
    }
    return memory
  }

  get roundTripMs(): number {
    return Number.isFinite(this.#roundTripMs) ? this.#roundTripMs : 0
  }

  /** The shortest is the distance; whatever is longer waited for something else too. It is forgotten slowly, since servers move. */
  noteRoundTrip(ms: number): void {
    this.#roundTripMs = Math.min(this.#roundTripMs * 1.01, ms)
  }

  get msPerCost(): number {
    return this.#msPerCost
  }

  /** The pooler before the server, asked once. */
  pooler(ask: () => Promise<"session" | "transaction" | null>): Promise<"session" | "transaction" | null> {
    this.#pooler ??= ask().catch((error) => {
      this.#pooler = null
      throw error
    })
    return this.#pooler
  }

  /** A run that took so long: newer ones count more. */
  noteTime(memory: Memory, choice: Choice, ms: number): void {
    const before = memory.times[choice]
    memory.times[choice] = before === undefined ? ms : before * 0.7 + ms * 0.3
    const { estimate } = memory
    if (choice !== "none" || estimate === null || estimate.cost < 100 || ms < 5) return
    const seen = Math.min(10, Math.max(0.0001, ms / estimate.cost))
    this.#msPerCost = Math.exp(Math.log(this.#msPerCost) * 0.9 + Math.log(seen) * 0.1)
  }
}

const memories = new WeakMap<Database, ServerMemory>()

export function memoryOf(database: Database): ServerMemory {
  let memory = memories.get(database)
  if (memory === undefined) {
    memory = new ServerMemory()
    memories.set(database, memory)
  }
  return memory
}
