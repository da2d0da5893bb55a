import { SelectoError } from "../../../errors.ts"
import { Undeliverable } from "../channel.ts"

export interface PostOptions {
  /** Sent with each message, such as an authorization. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** The address of a channel. Only its host is ever shown: the rest may be a secret. Throws E_INVALID_OPTION. */
export function addressOf(url: string | URL, option: string): URL {
  try {
    const address = new URL(url)
    if (address.protocol === "http:" || address.protocol === "https:") return address
  } catch {
    // Told below, without the text.
  }
  throw new SelectoError("E_INVALID_OPTION", `${option} takes the http or https address that alerts are posted to.`, {
    path: option,
  })
}

/** Posts JSON. Rejects unless the answer is a 2xx; with Undeliverable where the same message would be refused again. */
export async function post(address: URL, body: unknown, options: PostOptions, signal: AbortSignal): Promise<void> {
  let response: Response
  try {
    response = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json", ...options.headers },
      body: JSON.stringify(body),
      signal,
    })
  } catch (cause) {
    // The driver's own message may hold the whole address.
    const code = (cause as { cause?: { code?: string } }).cause?.code ?? (cause as Error).name
    throw new Error(`${address.host} could not be reached (${code})`)
  }
  await response.body?.cancel()
  if (response.ok) return
  const message = `${address.host} answered ${response.status}`
  const again = response.status >= 500 || response.status === 408 || response.status === 429
  throw again ? new Error(message) : new Undeliverable(message)
}
