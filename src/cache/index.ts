export { type CacheRequest, ResultCache } from "./cache.ts"
export { type CacheDefaults, type CacheMode, type CacheOptions, checkCacheOptions } from "./option.ts"
export { type CacheInstallOptions, type CacheService, type CacheStatus, cacheService, type Invalidation } from "./service.ts"
export type { CacheStats } from "./stats.ts"
