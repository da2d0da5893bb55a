import type { Database } from "../database/database.ts"
import { type Request, type Response, type Stage, type StageName, stageNames } from "./request.ts"
import { run } from "./run.ts"
import { type StreamingOptions, stream } from "./stream.ts"

/** A statement's journey: the stages in their order, then the database. */
export interface Pipeline {
  run(request: Request): Promise<Response>
  stream(request: Request, options: StreamingOptions): AsyncIterableIterator<unknown>
  /** The request as the stages before `last` change it, for who reads the rows in a way of its own. */
  prepare(request: Request, last: StageName): Promise<Request>
}

/** Puts stages into the order of {@link stageNames}, whatever order they come in. */
export function pipeline(database: Database, stages: readonly Stage[]): Pipeline {
  const ordered = [...stages].sort((a, b) => stageNames.indexOf(a.name) - stageNames.indexOf(b.name))
  const journey = ordered.reduceRight<Pipeline["run"]>(
    (next, stage) => (request) => stage.run(request, next),
    (request) => run(database, request),
  )
  const prepare = async (request: Request, stages: readonly Stage[]): Promise<Request> => {
    let prepared = request
    for (const stage of stages) prepared = (await stage.prepare?.(prepared)) ?? prepared
    return prepared
  }
  return {
    run: journey,
    stream: (request, options) => stream(database, () => prepare(request, ordered), options),
    prepare: (request, last) => {
      const before = stageNames.slice(0, stageNames.indexOf(last))
      return prepare(
        request,
        ordered.filter(({ name }) => before.includes(name)),
      )
    },
  }
}
