import type { Condition, Expr, Left, Loose, Needs, Test, TypedAs } from "../../domain/expression.ts"
import type { AnyScope } from "../../domain/scope.ts"

/** A step into JSON: a key, or an index from 0 (negative from the end). Steps are bound, whatever they hold. */
export type JsonStep = string | number

/** `json(of, …steps)`: the value at a path, as JSON. `jsonText`: as text. Null where the path ends nowhere. */
export type JsonPath<T extends "jsonb" | "string"> = <
  S extends AnyScope = Loose,
  const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>,
>(
  of: L | NoInfer<Expr<unknown, S>>,
  ...steps: readonly [JsonStep, ...JsonStep[]]
) => Expr<TypedAs<T, never, null>, Needs<S, L, { readonly kind: "json" }>>

/** `hasKey`: a jsonb object has a key, or a jsonb array holds a string. */
export interface HasKey {
  (key: string): Test<never, "json">
  <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
    left: L | NoInfer<Expr<unknown, S>>,
    key: string,
  ): Condition<Needs<S, L, { readonly kind: "json" }>>
}
