/**
 * Marks what the library itself gives to a driver, so that instrumentation of the same pool - of this or another version of the library in
 * the process - does not count it twice.
 */
export const ownQuery: unique symbol = Symbol.for("selecto-pg.own-query")
