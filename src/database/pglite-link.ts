import { type StepResult, WireCollector, type WireField, type WireStep } from "./wire.ts"
import { wireBytes } from "./wire-bytes.ts"

/** The part of a PGlite that the adapter uses, declared by structure. */
export interface PGliteLike {
  readonly closed: boolean
  readonly ready: boolean
  readonly waitReady: Promise<void>
  readonly parsers: Record<string | number, (text: string, typeId: number) => unknown>
  execProtocol(message: Uint8Array, options: { throwOnError: boolean }): Promise<{ messages: object[] }>
  runExclusive<T>(run: () => Promise<T>): Promise<T>
  _runExclusiveTransaction?<T>(run: () => Promise<T>): Promise<T>
  onNotification(listener: (channel: string, payload: string) => void): () => void
  close(): Promise<void>
}

/** What the server said when it refused; data, so that it crosses threads. */
export interface ServerFailure {
  readonly message: string
  readonly fields: Readonly<Record<string, string | number | undefined>>
}

/** What one exchange came to. */
export interface LinkReply {
  readonly results: StepResult[]
  readonly failure: ServerFailure | null
  /** True inside a transaction. */
  readonly open: boolean
}

/** A way to a PGlite: in this thread, or in another. */
export interface PGliteLink {
  exchange(steps: readonly WireStep[]): Promise<LinkReply>
  /** PGlite's own parser of a type. */
  parserOf(typeId: number): (text: string) => unknown
  /** Holds the instance for one user until the answer is called. */
  hold(): Promise<() => void>
  onNotification(listener: (channel: string, payload: string) => void): () => void
  readonly closed: boolean
  close(): Promise<void>
}

interface Message {
  readonly name: string
  readonly fields?: unknown
  readonly text?: string
  readonly status?: string
}

const failureFields = [
  "code",
  "severity",
  "detail",
  "hint",
  "position",
  "internalPosition",
  "internalQuery",
  "where",
  "schema",
  "table",
  "column",
  "dataType",
  "constraint",
  "routine",
]

/** One exchange with a PGlite of this thread, which nobody else uses meanwhile. */
export async function exchangeWith(pglite: PGliteLike, steps: readonly WireStep[]): Promise<LinkReply> {
  const { messages } = await pglite.execProtocol(wireBytes(steps), { throwOnError: false })
  const collector = new WireCollector()
  let failure: ServerFailure | null = null
  let open = false
  for (const message of messages as Message[]) {
    switch (message.name) {
      case "rowDescription":
        collector.rowDescription(message.fields as WireField[])
        break
      case "dataRow":
        collector.dataRow(message.fields as (string | null)[])
        break
      case "commandComplete":
        collector.commandComplete(message.text!)
        break
      case "emptyQuery":
        collector.commandComplete("")
        break
      case "portalSuspended":
        collector.portalSuspended()
        break
      case "readyForQuery":
        open = message.status !== "I"
        break
      case "error": {
        const error = message as unknown as Record<string, string | number | undefined>
        failure ??= {
          message: String(error.message),
          fields: Object.fromEntries(failureFields.map((name) => [name, error[name]])),
        }
        break
      }
    }
  }
  return { results: collector.results, failure, open }
}

/** The link to a PGlite that the caller made in this thread. */
export function localLink(pglite: PGliteLike): PGliteLink {
  return {
    exchange: async (steps) => {
      if (!pglite.ready) await pglite.waitReady
      return exchangeWith(pglite, steps)
    },
    parserOf: (typeId) => parserIn(pglite.parsers, typeId),
    hold: () => hold(pglite),
    onNotification: (listener) => pglite.onNotification(listener),
    get closed() {
      return pglite.closed
    },
    close: () => pglite.close(),
  }
}

/** PGlite's parser of a type; text for a type that it does not know. */
export function parserIn(parsers: PGliteLike["parsers"], typeId: number): (text: string) => unknown {
  const parser = parsers[typeId]
  return parser === undefined ? (text) => text : (text) => parser(text, typeId)
}

/**
 * Keeps other users of the instance out: its statements, and its transactions between their statements.
 */
async function hold(pglite: PGliteLike): Promise<() => void> {
  if (!pglite.ready) await pglite.waitReady
  const transaction = <T>(run: () => Promise<T>): Promise<T> => pglite._runExclusiveTransaction?.(run) ?? run()
  return new Promise((resolve, reject) => {
    transaction(() => pglite.runExclusive(() => new Promise<void>((free) => resolve(free)))).catch(reject)
  })
}
