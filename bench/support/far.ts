import { Worker } from "node:worker_threads"

/** A server behind a distance, kept up by a thread of its own so that the way costs the measured program nothing. */
export interface Far {
  readonly port: number
  close(): Promise<void>
}

export async function farFrom(
  target: { readonly host: string; readonly port: number },
  delayMs: number,
  bytesPerSecond: number,
): Promise<Far> {
  const worker = new Worker(new URL("./far-thread.ts", import.meta.url), {
    workerData: { target: { host: target.host, port: target.port }, delayMs, bytesPerSecond },
  })
  const port = await new Promise<number>((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", reject)
  })
  return { port, close: async () => void (await worker.terminate()) }
}
