export { prepare } from "../../test/support/run-sql.ts"

import { type RunningServer, startServer, urlOf } from "../../test/support/server.ts"

/** Runs a benchmark on a server of its own, started for it and gone after it. */
export async function withServer<T>(
  version: number,
  run: (url: string, server: RunningServer) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  const server = await startServer(version, settings)
  try {
    return await run(urlOf(server, "postgres"), server)
  } finally {
    await server.stop()
  }
}
