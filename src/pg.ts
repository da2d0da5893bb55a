// The subpath selecto-pg/pg: for programs that have a pool of the pg package of their own.
export { type InstrumentOptions, instrumentPool, type Watching } from "./monitor/instrument-pool.ts"
