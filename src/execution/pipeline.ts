import type { Database } from "../database/database.ts"
import { type Request, type Response, type Stage, stageNames } from "./request.ts"
import { run } from "./run.ts"
import { type StreamingOptions, stream } from "./stream.ts"

/** A statement's journey: the stages in their order, then the database. */
export interface Pipeline {
  run(request: Request): Promise<Response>
  stream(request: Request, options: StreamingOptions): AsyncIterableIterator<unknown>
}

/** Puts stages into the order of {@link stageNames}, whatever order they come in. */
export function pipeline(database: Database, stages: readonly Stage[]): Pipeline {
  const ordered = [...stages].sort((a, b) => stageNames.indexOf(a.name) - stageNames.indexOf(b.name))
  const journey = ordered.reduceRight<Pipeline["run"]>(
    (next, stage) => (request) => stage.run(request, next),
    (request) => run(database, request),
  )
  return {
    run: journey,
    stream: (request, options) =>
      stream(
        database,
        async () => {
          let prepared = request
          for (const stage of ordered) prepared = (await stage.prepare?.(prepared)) ?? prepared
          return prepared
        },
        options,
      ),
  }
}
