import type { ArgOf, Condition, Expr, Left, Loose, Needs, Test, TypedAs } from "../../domain/expression.ts"
import type { AnyScope } from "../../domain/scope.ts"

/** How a search text is read: as people type into a search box ("websearch", the default), as words that must all occur, as one phrase, or as tsquery syntax. */
export type SearchMode = "websearch" | "words" | "phrase" | "tsquery"

/** Options of a full-text search. */
export interface SearchOptions {
  readonly mode?: SearchMode | undefined
  /** Text search configuration, such as "english"; the server's default_text_search_config otherwise. */
  readonly configuration?: string | undefined
}

/** `matches`: full-text search of a tsvector or of text. The search text is bound. */
export interface Matches {
  (search: string): Test<never, "document" | "text">
  <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
    left: L | NoInfer<Expr<unknown, S>>,
    search: string,
    options?: SearchOptions,
  ): Condition<Needs<S, L, { readonly kind: "document" | "text" }>>
}

/** `searchRank(of, search, options?)`: how well a row matches, from 0. */
export type SearchRank = <S extends AnyScope = Loose, const L extends (keyof S["~fields"] & string) | Expr<unknown, S> = Left<S>>(
  of: L | NoInfer<Expr<unknown, S>>,
  search: string,
  options?: SearchOptions,
) => Expr<TypedAs<"float", ArgOf<L>>, Needs<S, L, { readonly kind: "document" | "text" }>>
