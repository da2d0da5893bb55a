import { type CacheOptions, type CacheRequest, checkCacheOptions } from "../cache/index.ts"
import type { Source } from "./runnable.ts"

/** What caching adds to every statement. */
export const cacheMethods = {
  cache(this: Source, options: CacheOptions | false = {}): Source {
    if (options !== false) checkCacheOptions(options)
    return this.withOption("cache", { options } satisfies CacheRequest)
  },
}

/** A query's options with what its domain says of caching. */
export function withCache(
  options: Readonly<Record<string, unknown>>,
  domain: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> {
  if (domain === undefined) return options
  checkCacheOptions(domain as CacheOptions)
  return {
    ...options,
    cache: { ...(options.cache as CacheRequest | undefined), domain: domain as CacheOptions } satisfies CacheRequest,
  }
}
