import { SelectoError } from "../errors.ts"
import { type StatementShape, statementShape } from "../sql/index.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"

/** A relation of the statement, as hints and plans name it. */
export interface HintRelation {
  /** Alias, or the table's name where it has none. */
  readonly alias: string
  readonly kind: "table" | "cte" | "subquery" | "function" | "values"
  readonly schema: string | null
  /** Name of the table, WITH query or function. */
  readonly table: string
  /** Join path of a builder query; "" is the root. Null for what has none. */
  readonly path: string | null
  /** Query block that it stands in; 0 is the statement's own. */
  readonly block: number
}

/** Everything that a hint can name in a statement. */
export interface StatementNames {
  /** The command in PostgreSQL's words. */
  readonly command: string
  readonly relations: readonly HintRelation[]
  /** Alias by join path. */
  readonly paths: ReadonlyMap<string, string>
  /** Names of WITH queries. */
  readonly ctes: readonly string[]
}

/** Reads the names of a statement from its text. Throws E_SQL_SYNTAX, E_SQL_STATEMENT_COUNT. */
export async function statementNames(text: string, paths: ReadonlyMap<string, string> = new Map()): Promise<StatementNames> {
  return namesOf(await statementShape(text), paths)
}

function namesOf(shape: StatementShape, paths: ReadonlyMap<string, string>): StatementNames {
  const pathOf = new Map([...paths].map(([path, alias]) => [alias, path]))
  const inserted = new Set(shape.blocks.filter(({ kind }) => kind === "insert").map(({ ordinal }) => ordinal))
  const relations = shape.relations
    // What an INSERT fills is not read: no hint can mean it.
    .filter((relation) => !(relation.where === "target" && inserted.has(relation.block)))
    .map((relation): HintRelation => {
      const alias = relation.alias ?? (relation.kind === "values" ? "*VALUES*" : relation.name)
      return {
        alias,
        kind: relation.kind,
        schema: relation.schema,
        table: relation.name,
        path: pathOf.get(alias) ?? null,
        block: relation.block,
      }
    })
  const ctes = shape.blocks.flatMap(({ cte }) => (cte === null ? [] : [cte.name]))
  return { command: shape.command, relations, paths, ctes }
}

/**
 * The relation that a hint means: by join path, else alias, else table name (with its schema where given).
 * Throws E_UNKNOWN_HINT_TABLE, or E_AMBIGUOUS_HINT: the extension would hint every relation of that alias, or none.
 */
export function findRelation(names: StatementNames, given: string, hint: string): HintRelation {
  const { relations } = names
  const alias = names.paths.get(given)
  const found =
    [
      given === "" || alias === undefined ? [] : relations.filter((relation) => relation.alias === alias),
      relations.filter((relation) => relation.alias === given),
      relations.filter(
        (relation) => relation.table === given || (relation.schema !== null && `${relation.schema}.${relation.table}` === given),
      ),
    ].find((candidates) => candidates.length > 0) ?? []
  if (found.length === 0) {
    const suggestions = suggestionsFor(
      given,
      [...names.paths.keys(), ...relations.flatMap((relation) => [relation.alias, relation.table])].filter(Boolean),
    )
    throw new SelectoError(
      "E_UNKNOWN_HINT_TABLE",
      `The hint ${hint} names ${JSON.stringify(given)}, which the statement does not use.${didYouMean(suggestions)}`,
      {
        path: given,
        suggestions,
      },
    )
  }
  if (found.length > 1) throw ambiguous(hint, given, found)
  const same = relations.filter((relation) => relation.alias === found[0]!.alias)
  if (same.length > 1) throw ambiguous(hint, given, same)
  return found[0]!
}

function ambiguous(hint: string, given: string, found: readonly HintRelation[]): SelectoError {
  const distinct = [...new Set(found.map(({ path, alias }) => (path === null || path === "" ? alias : path)))]
  const advice =
    distinct.length > 1
      ? `name one of ${distinct.map((name) => JSON.stringify(name)).join(", ")}`
      : "give each an alias of its own"
  return new SelectoError(
    "E_AMBIGUOUS_HINT",
    `The hint ${hint} names ${JSON.stringify(given)}, which stands for ${found.length} relations of the statement: ${advice}.`,
    {
      path: given,
      suggestions: distinct,
    },
  )
}

/** The relation that a hint without a table means: the root of a builder query, else the first table of the outermost FROM. */
export function mainRelation(names: StatementNames, hint: string): HintRelation {
  const root = names.paths.get("")
  const tables = names.relations.filter(({ kind }) => kind === "table")
  const main = tables.find(({ alias }) => alias === root) ?? tables.find(({ block }) => block === 0) ?? tables[0]
  if (main === undefined)
    throw new SelectoError("E_UNKNOWN_HINT_TABLE", `The hint ${hint} is about a table, and the statement reads none.`, {
      path: hint,
    })
  return main
}
