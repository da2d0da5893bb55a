import type { Node } from "libpg-query"
import type { Scope } from "./scope.ts"
import { emptyBlock, type FunctionUse, type QueryBlock, type ShapeRelation } from "./shape.ts"

export type Of<K extends string> = Extract<Node, Record<K, unknown>> extends Record<K, infer T> ? T : never

/** A block while it is being read. Conditions and joins are added when the whole statement is known. */
export type DraftBlock = { -readonly [K in keyof QueryBlock]: QueryBlock[K] }
export type DraftRelation = { -readonly [K in keyof ShapeRelation]: ShapeRelation[K] }

/** The growing lists of one statement. */
export interface Draft {
  readonly relations: DraftRelation[]
  readonly blocks: DraftBlock[]
  readonly writes: number[]
  readonly functions: Map<string, FunctionUse>
  readonly parameters: Map<number, string | null>
  /** SQL of a view to read in place of its name; null: it is read as a table. */
  readonly viewText: (schema: string | null, name: string) => string | null
}

/** A block of a statement, with nothing in it yet. */
export function newBlock(
  draft: Draft,
  role: QueryBlock["role"],
  kind: QueryBlock["kind"],
  parent: Scope | null,
  cte: QueryBlock["cte"],
): DraftBlock {
  const block: DraftBlock = {
    ordinal: draft.blocks.length,
    parent: parent?.block ?? null,
    role,
    kind,
    cte,
    ...emptyBlock(),
  }
  draft.blocks.push(block)
  return block
}
