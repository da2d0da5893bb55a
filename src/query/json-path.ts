import { SelectoError } from "../errors.ts"
import { testOrCondition } from "./condition.ts"
import { expression, isExpression } from "./node.ts"
import type { HasKey, JsonPath } from "./types/json.ts"

function at<T extends "jsonb" | "string">(name: string, text: boolean): JsonPath<T> {
  return ((of: unknown, ...path: readonly (string | number)[]) => {
    const steps = path.every((step) => typeof step === "string" || (typeof step === "number" && Number.isSafeInteger(step)))
    if ((typeof of !== "string" && !isExpression(of)) || path.length === 0 || !steps)
      throw new SelectoError(
        "E_UNSUPPORTED_INPUT",
        `${name}() takes a path and its steps, keys or positions: ${name}("meta", "zone", 0).`,
      )
    return expression({ expression: "json", of, path, text })
  }) as unknown as JsonPath<T>
}

/**
 * `meta #> $1`: the value at a place inside a document, as JSON: json("meta", "zones", 0). Null where the place is not there. Steps are bound.
 */
export const json: JsonPath<"jsonb"> = at("json", false)
/** `meta #>> $1`: the same as text, eq(jsonText("meta", "warehouse", "zone"), "A"). */
export const jsonText: JsonPath<"string"> = at("jsonText", true)
/** `meta ? $1`: a jsonb object has this key, or a jsonb array holds this string. */
export const hasKey: HasKey = testOrCondition("hasKey", 1, ([key]) => ({ test: "key", key }))
