/** Everything beyond the first floor, as the head of a snippet. */
export const whole = `
import { allOf, anyOf, arrayAgg, boolAnd, countOf, cube, defineFunction, every, except, existsIn, firstValue, fromQuery, generateSeries, grouping, groupingSets, hasKey, intersect, json, jsonAgg, jsonText, lag, lead, matches, none, nthValue, ntile, oneOf as isOneOf, outer, rank, recursive, rollup, rowNumber, scalar, searchRank, some, stddev, stringAgg, union, values } from "./surface.ts"
const discount = defineFunction({ name: "shop.discount", args: ["decimal", "integer?"], returns: "decimal?", volatility: "stable" })
`
