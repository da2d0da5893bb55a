import { Bench } from "./bench.ts"
import type { Catalog, Skipped } from "./catalog.ts"
import { Copy } from "./copy.ts"
import type { Engine } from "./engine.ts"
import { checkOneStatement } from "./one-statement.ts"
import type { CandidateIndex, WhatIfPlan, WhatIfPlanner } from "./planner.ts"
import { refused } from "./refusal.ts"
import { type ServerBinaries, startServerEngine } from "./server-engine.ts"

/** The copy on a real PostgreSQL 18; see {@link startServerEngine}. */
export interface ServerPlanner extends WhatIfPlanner {
  readonly name: "server"
  readonly skipped: readonly Skipped[]
  refresh(catalog: Catalog): Promise<{ readonly rebuilt: number }>
}

/** Starts a scratch server and builds the copy in it. Errors: E_NOT_SUPPORTED without binaries. */
export async function openServer(
  catalog: Catalog,
  options: { readonly binaries?: ServerBinaries | undefined } = {},
): Promise<ServerPlanner> {
  const engine = await startServerEngine(options)
  try {
    const copy = new Copy(engine)
    const skipped = await copy.build(catalog)
    return new Server(engine, copy, [...catalog.skipped, ...skipped])
  } catch (error) {
    await engine.close()
    throw error
  }
}

class Server implements ServerPlanner {
  readonly name = "server" as const
  calls = 0
  skipped: readonly Skipped[]
  readonly #engine: Engine
  readonly #copy: Copy
  readonly #bench: Bench
  #queue: Promise<unknown> = Promise.resolve()

  constructor(engine: Engine, copy: Copy, skipped: readonly Skipped[]) {
    this.#engine = engine
    this.#copy = copy
    this.#bench = new Bench(copy)
    this.skipped = skipped
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
    return this.#inTurn(() => this.#bench.plan(statement, candidates))
  }

  async size(candidate: CandidateIndex): Promise<number | null> {
    return this.#inTurn(() => this.#bench.size(candidate))
  }

  async refresh(catalog: Catalog): Promise<{ readonly rebuilt: number }> {
    return this.#inTurn(async () => {
      await this.#bench.clear()
      const { rebuilt, skipped } = await this.#copy.refresh(catalog)
      this.skipped = [...catalog.skipped, ...skipped]
      return { rebuilt }
    })
  }

  async close(): Promise<void> {
    await this.#queue.catch(() => {})
    await this.#engine.close()
  }

  /** One session: candidates of one call must not meet those of another. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue
      .catch(() => {})
      .then(run)
      .catch((error: unknown) => {
        throw refused(error)
      })
    this.#queue = result
    return result
  }
}
