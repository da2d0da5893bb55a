import { request } from "node:http"
import { extraVersions, missingReason } from "./binaries.ts"
import type { ServerAddress } from "./server.ts"

/** Versions that `eachServer` visits: 15, 18 and what SELECTO_TEST_VERSIONS adds. */
export const serverVersions: readonly number[] = [...new Set([15, 18, ...extraVersions()])].sort((a, b) => a - b)

const reported = new Set<string>()

/**
 * True when something needed is missing, so that its tests are skipped; the reason is printed once.
 * REQUIRE_SERVICES=1 turns it into a failure.
 */
export function skips(reason: string | null): boolean {
  if (reason === null) return false
  if (process.env.REQUIRE_SERVICES === "1") throw new Error(`REQUIRE_SERVICES=1, but ${reason}`)
  if (!reported.has(reason)) process.stderr.write(`skipped: ${reason}\n`)
  reported.add(reason)
  return true
}

/** True when no server of this version can be started here. */
export function serverMissing(version: number): boolean {
  return skips(missingReason(version))
}

/** The server of this version, started by the run's broker when it is first asked for. */
export function serverOf(version: number): Promise<ServerAddress> {
  const socketPath = process.env.SELECTO_TEST_BROKER
  if (socketPath === undefined)
    throw new Error("No broker: this helper works inside a vitest run with test/support/global-setup.ts")
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: `/${version}`, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", (chunk) => {
        body += chunk
      })
      response.on("end", () => (response.statusCode === 200 ? resolve(JSON.parse(body)) : reject(new Error(body))))
    })
    call.on("error", reject)
    call.end()
  })
}
