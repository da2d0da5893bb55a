import {
  checkOptions,
  type ExportOptions,
  type ExportResult,
  type ParallelOptions,
  type ParallelRequest,
} from "../parallel/index.ts"
import type { Source } from "./runnable.ts"

/** What running in parallel adds to every statement. */
export const parallelMethods = {
  parallel(this: Source, options: ParallelOptions | false = {}): Source {
    if (options !== false) checkOptions(options)
    return this.withOption("parallel", { options } satisfies ParallelRequest)
  },

  parallelJoin(this: Source, join: string, options: ParallelOptions = {}): Source {
    checkOptions(options)
    return this.withOption("parallel", { options, join } satisfies ParallelRequest)
  },

  async export(this: Source, options: ExportOptions): Promise<ExportResult> {
    const { pipeline } = this.connection
    return this.connection.export(await pipeline.prepare(this.request(options), "parallel"), options)
  },
}

/** A query's options with the aliases of its join paths, by which its relations are named. */
export function withPaths(
  options: Readonly<Record<string, unknown>>,
  paths: ReadonlyMap<string, string>,
): Readonly<Record<string, unknown>> {
  const { parallel } = options
  return parallel === undefined ? options : { ...options, parallel: { ...(parallel as ParallelRequest), paths } }
}
