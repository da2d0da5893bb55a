import { parentPort, workerData } from "node:worker_threads"
import { exchangeWith, type PGliteLike } from "./pglite-link.ts"
import type { WireStep } from "./wire.ts"

/** What the other thread asks of this one. */
export type ThreadRequest =
  | { readonly id: number; readonly kind: "exchange"; readonly steps: readonly WireStep[] }
  | { readonly id: number; readonly kind: "dump" }
  | { readonly id: number; readonly kind: "close" }

/** What this thread says: the answer to a request, or a notification. */
export type ThreadReply =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly failure: string }
  | { readonly id: null; readonly channel: string; readonly payload: string }

/** How the instance is made; plain data. */
export interface ThreadOptions {
  readonly dataDir?: string | undefined
  /** Names of extensions that ship with PGlite, such as "pg_stat_statements". */
  readonly extensions: readonly string[]
  readonly startParams: readonly string[]
  readonly loadDataDir?: Uint8Array | undefined
}

const port = parentPort
// Imported anywhere else than in a worker, this file does nothing.
if (port !== null && (workerData as { selectoPglite?: boolean } | null)?.selectoPglite === true) {
  const started = start((workerData as { options: ThreadOptions }).options)
  started.catch(() => {})
  let last: Promise<unknown> = started
  port.on("message", (request: ThreadRequest) => {
    // One after the other: the other thread has the lock, this one only keeps the order.
    last = last.then(
      async () => {
        try {
          const answer = await serve(await started, request)
          port.postMessage({ id: request.id, answer } satisfies ThreadReply)
          if (request.kind === "close") port.close()
        } catch (error) {
          port.postMessage({ id: request.id, failure: String((error as Error)?.message ?? error) } satisfies ThreadReply)
        }
      },
      async (error) => {
        port.postMessage({ id: request.id, failure: String((error as Error)?.message ?? error) } satisfies ThreadReply)
      },
    )
  })
}

type Instance = PGliteLike & { dumpDataDir(compression: "none"): Promise<Blob> }

async function start(options: ThreadOptions): Promise<Instance> {
  const { PGlite } = await import("@electric-sql/pglite")
  const extensions: Record<string, never> = {}
  for (const name of options.extensions) {
    const module = (await import(`@electric-sql/pglite/${extensionPath(name)}`)) as Record<string, never>
    extensions[name] = module[name]!
  }
  const pglite = await PGlite.create({
    extensions,
    ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
    ...(options.startParams.length === 0 ? {} : { startParams: [...PGlite.defaultStartParams, ...options.startParams] }),
    ...(options.loadDataDir === undefined ? {} : { loadDataDir: new Blob([new Uint8Array(options.loadDataDir)]) }),
  })
  pglite.onNotification((channel, payload) => port!.postMessage({ id: null, channel, payload } satisfies ThreadReply))
  return pglite as unknown as Instance
}

function extensionPath(name: string): string {
  return name === "vector" || name === "live" ? name : `contrib/${name}`
}

async function serve(pglite: Instance, request: ThreadRequest): Promise<unknown> {
  switch (request.kind) {
    case "exchange":
      return exchangeWith(pglite, request.steps)
    case "dump":
      return new Uint8Array(await (await pglite.dumpDataDir("none")).arrayBuffer())
    case "close":
      return pglite.close()
  }
}
