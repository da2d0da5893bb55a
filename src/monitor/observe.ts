import { isSelectoError } from "../errors.ts"
import type { Request, Response, Stage } from "../execution/request.ts"
import type { CallerContext, Recorder } from "./recorder.ts"
import { currentComment, type TagOptions } from "./tags.ts"

/** Codes of failures that happened before anything was sent, with or without a connection. */
const notSent = new Set(["E_POOL_TIMEOUT", "E_POOL_CLOSED", "E_TRANSACTION_CONFLICT", "E_INVALID_VALUE", "E_TOO_MANY_PARAMETERS"])

/** Who looks at calls more closely: at slow ones, and at those that are waited for. */
export interface CallWatch {
  wants(time: number): boolean
  offer(request: Request, time: number): void
}

/** The outermost stage: measures what the others and the database make of a statement, and puts tags on it when that is asked for. */
export function observeStage(recorder: Recorder, tags: TagOptions | null, watch: CallWatch | null = null): Stage {
  const tagged = (request: Request): Request => {
    const comment = tags === null ? undefined : currentComment(tags)
    return comment === undefined ? request : { ...request, comment }
  }
  return {
    name: "observe",
    async run(request, next) {
      const context = recorder.captureContext()
      const start = recorder.clock.monotonic()
      let response: Response
      try {
        response = await next(tags === null ? request : tagged(request))
      } catch (error) {
        const elapsed = recorder.clock.monotonic() - start
        recordFailure(recorder, request, error, elapsed, context)
        if (watch?.wants(elapsed) && !notSent.has(stateOf(error))) watch.offer(request, elapsed)
        throw error
      }
      const { source, timings } = response.report
      const { kind, name } = request.origin
      if (source === "cache") recorder.cacheHits++
      else {
        const { poolWait, server, transfer } = timings
        recorder.record(
          request.statement.text,
          server + transfer,
          poolWait,
          server,
          transfer,
          response.rows.length,
          -1,
          null,
          name,
          kind,
          context,
        )
        if (watch?.wants(server + transfer)) watch.offer(request, server + transfer)
      }
      return response
    },
    prepare: async (request) => {
      const context = recorder.captureContext()
      const { kind, name } = request.origin
      return {
        ...tagged(request),
        onEnd: (end) => {
          request.onEnd?.(end)
          const { poolWait, server, transfer, rows, error } = end
          const state = error === undefined ? null : stateOf(error)
          const time = state !== null && notSent.has(state) ? -1 : server + transfer
          recorder.record(request.statement.text, time, poolWait, server, transfer, rows, -1, state, name, kind, context)
          if (watch?.wants(time)) watch.offer(request, time)
        },
      }
    },
  }
}

function recordFailure(
  recorder: Recorder,
  request: Request,
  error: unknown,
  elapsed: number,
  context: CallerContext | null,
): void {
  const state = stateOf(error)
  const { kind, name } = request.origin
  const { text } = request.statement
  if (notSent.has(state)) {
    const poolWait = state === "E_POOL_TIMEOUT" ? elapsed : 0
    recorder.record(text, -1, poolWait, 0, 0, -1, -1, state, name, kind, context)
  } else recorder.record(text, elapsed, 0, elapsed, 0, -1, -1, state, name, kind, context)
}

/** SQLSTATE, else our code, else the driver's, else "unknown". */
export function stateOf(error: unknown): string {
  if (isSelectoError(error)) return error.sqlState ?? error.code
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === "string" && code.length > 0 && code.length <= 40 ? code : "unknown"
}
