import { resolveShape, type StatementShape, statementShape, statementShapeWithViews } from "../../sql/index.ts"
import { UnknownTypeError } from "../../sql/typing/index.ts"
import type { Library } from "../library.ts"
import type { Query } from "./query.ts"
import { readQuery, UnreadableError } from "./read-query.ts"
import type { World } from "./world.ts"

/** Relations that are read as the queries that they are, by their oids. */
export type Expand = (oid: number) => boolean

const none: Expand = () => false

/** The shape of a statement with ordinary views opened, and others that are asked for; everything that it names is then in the library. */
export async function openedShape(text: string, library: Library, expand: Expand = none): Promise<StatementShape> {
  let shape = await statementShape(text)
  for (let depth = 0; depth < 20; depth++) {
    await library.load([shape])
    if (!shape.relations.some((relation) => relation.kind === "table" && opens(library, relation, expand))) return shape
    const before = shape.relations.length
    shape = await statementShapeWithViews(text, (schema, name) =>
      opens(library, { schema, name }, expand) ? library.find(schema, name)!.query : null,
    )
    if (shape.relations.length === before && library.knows(shape)) break
  }
  await library.load([shape])
  return shape
}

function opens(
  library: Library,
  { schema, name }: { readonly schema: string | null; readonly name: string },
  expand: Expand,
): boolean {
  const relation = library.find(schema, name)
  if (relation === null || relation.query === null) return false
  return relation.kind === "view" || expand(relation.oid)
}

/** A statement as matching sees it, or a sentence on why it cannot be reasoned about. */
export function readStatement(shape: StatementShape, library: Library, world: World): Query | string {
  const columnsOf = (schema: string | null, name: string): readonly string[] | null =>
    library.find(schema, name)?.columns.map((column) => column.name) ?? null
  try {
    return readQuery(resolveShape(shape, { columnsOf }), library.find, world)
  } catch (error) {
    if (error instanceof UnreadableError || error instanceof UnknownTypeError) return error.message
    throw error
  }
}
