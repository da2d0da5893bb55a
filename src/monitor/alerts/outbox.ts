import { type AlertChannel, type AlertNotification, Undeliverable } from "./channel.ts"

/** Whether alerts arrive. */
export interface ChannelHealth {
  readonly channel: string
  readonly sent: number
  /** Attempts that failed. */
  readonly failed: number
  /** Notifications given up: refused, tried too often, or too many waiting. */
  readonly dropped: number
  readonly waiting: number
  /** Of the last attempt that failed; null after a success. */
  readonly lastError: string | null
}

export interface OutboxTimes {
  /** Pause after the first failure; doubled after each. */
  readonly firstPauseMs: number
  readonly timeoutMs: number
}

export const defaultOutboxTimes: OutboxTimes = { firstPauseMs: 1000, timeoutMs: 10_000 }

type Message = (options: { readonly signal: AbortSignal }) => Promise<void>

const longestPauseMs = 300_000
const mostAttempts = 12
const queueLength = 100

/**
 * Sends notifications to one channel, one after the other, again and again while it fails. Nobody waits for it: a channel that is slow or
 * gone delays only itself.
 */
export class Outbox {
  readonly #channel: AlertChannel
  readonly #times: OutboxTimes
  readonly #abort = new AbortController()
  readonly #queue: Message[] = []
  #sending: Promise<void> | null = null
  #wake: (() => void) | null = null
  #beating = false
  #sent = 0
  #failed = 0
  #dropped = 0
  #lastError: string | null = null

  constructor(channel: AlertChannel, times: OutboxTimes = defaultOutboxTimes) {
    this.#channel = channel
    this.#times = times
  }

  put(notification: AlertNotification): void {
    this.#put((options) => this.#channel.send(notification, options))
  }

  /** A sign of life. While one is on its way, the next is left out: late ones would lie. */
  beat(at: Date, otherwise: AlertNotification): void {
    if (this.#beating) return
    this.#beating = true
    const channel = this.#channel
    void this.#attempt(async (options) => {
      if (channel.beat === undefined) await channel.send(otherwise, options)
      else await channel.beat(at, options)
    }).finally(() => {
      this.#beating = false
    })
  }

  health(): ChannelHealth {
    return {
      channel: this.#channel.name,
      sent: this.#sent,
      failed: this.#failed,
      dropped: this.#dropped,
      waiting: this.#queue.length,
      lastError: this.#lastError,
    }
  }

  /** Resolves when everything that waits was sent or given up. */
  async settled(): Promise<void> {
    while (this.#sending !== null) await this.#sending
  }

  /** Lets what is being sent finish, within its timeout; what waits for another attempt is dropped. */
  async close(): Promise<void> {
    this.#dropped += Math.max(0, this.#queue.length - 1)
    this.#queue.splice(1)
    this.#abort.abort()
    this.#wake?.()
    await this.#sending
  }

  #put(message: Message): void {
    if (this.#abort.signal.aborted) return
    if (this.#queue.length >= queueLength) {
      // The one that is being tried stays; the oldest of the others makes room.
      this.#queue.splice(1, 1)
      this.#dropped++
    }
    this.#queue.push(message)
    this.#sending ??= this.#work().finally(() => {
      this.#sending = null
    })
  }

  async #work(): Promise<void> {
    for (let attempts = 0; this.#queue.length > 0; ) {
      const outcome = await this.#attempt(this.#queue[0]!)
      attempts++
      if (outcome === "sent" || outcome === "refused" || attempts >= mostAttempts || this.#abort.signal.aborted) {
        if (outcome !== "sent") this.#dropped++
        this.#queue.shift()
        attempts = 0
        continue
      }
      await this.#pause(Math.min(longestPauseMs, this.#times.firstPauseMs * 2 ** (attempts - 1)))
    }
  }

  async #attempt(message: Message): Promise<"sent" | "refused" | "failed"> {
    try {
      await within(message({ signal: AbortSignal.timeout(this.#times.timeoutMs) }), this.#times.timeoutMs)
      this.#sent++
      this.#lastError = null
      return "sent"
    } catch (error) {
      this.#failed++
      this.#lastError = error instanceof Error ? error.message : String(error)
      return error instanceof Undeliverable ? "refused" : "failed"
    }
  }

  #pause(ms: number): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      timer.unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** For a channel that does not heed its signal. */
async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms + 50)
    timer.unref()
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
