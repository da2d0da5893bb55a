/** The thread that the copy lives in: PGlite blocks the thread it runs in, so it never runs in the caller's. */
import { parentPort } from "node:worker_threads"
import { Bench } from "./bench.ts"
import type { Catalog, CatalogRelation, ColumnStatistics, Skipped } from "./catalog.ts"
import { Copy } from "./copy.ts"
import { startPglite } from "./pglite-start.ts"
import type { CandidateIndex } from "./planner.ts"
import type { Answer, Call } from "./worker-protocol.ts"

let engine: Awaited<ReturnType<typeof startPglite>> | undefined
let copy: Copy | undefined
let bench: Bench | undefined
let arriving: { catalog: Catalog; relations: CatalogRelation[]; statistics: ColumnStatistics[] } | undefined

const methods = {
  async start(folder: string | null, extensions: readonly string[]): Promise<void> {
    engine = await startPglite(folder, extensions)
    copy = new Copy(engine)
    bench = new Bench(copy)
  },
  // A large catalog comes in parts, so that copying it between threads never holds the caller's event loop.
  async begin(catalog: Catalog): Promise<void> {
    arriving = { catalog, relations: [], statistics: [] }
  },
  async add(relations: readonly CatalogRelation[], statistics: readonly ColumnStatistics[]): Promise<void> {
    arriving!.relations.push(...relations)
    arriving!.statistics.push(...statistics)
  },
  async build(): Promise<Skipped[]> {
    return copy!.build(arrived())
  },
  async refresh(): Promise<{ rebuilt: number; skipped: Skipped[] }> {
    await bench!.clear()
    return copy!.refresh(arrived())
  },
  plan: (statement: { text: string; values?: readonly unknown[] }, candidates: readonly CandidateIndex[]) =>
    bench!.plan(statement, candidates),
  size: (candidate: CandidateIndex) => bench!.size(candidate),
  async close(): Promise<void> {
    await engine?.close()
  },
}

function arrived(): Catalog {
  const { catalog, relations, statistics } = arriving!
  arriving = undefined
  return { ...catalog, relations, statistics }
}

const port = parentPort!
let queue: Promise<unknown> = Promise.resolve()
port.on("message", ({ id, method, args }: Call) => {
  queue = queue.then(async () => {
    try {
      const call = methods[method] as (...values: unknown[]) => Promise<unknown>
      port.postMessage({ id, result: await call(...args) } satisfies Answer)
    } catch (error) {
      const { code, message, name } = error as { code?: unknown; message?: unknown; name?: unknown }
      port.postMessage({
        id,
        error: {
          code: typeof code === "string" ? code : null,
          message: String(message),
          name: String(name),
          fatal: !hasCode(code),
        },
      } satisfies Answer)
    }
  })
})

/** PostgreSQL's errors have an SQLSTATE and ours a code; anything else is a broken engine. */
function hasCode(code: unknown): boolean {
  return typeof code === "string" && (/^[0-9A-Z]{5}$/.test(code) || code.startsWith("E_"))
}
