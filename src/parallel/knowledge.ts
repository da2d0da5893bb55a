import { type AggregatePiece, type ShapeRelation, type StatementShape, statementShapeSync } from "../sql/index.ts"
import {
  type AskedName,
  type Executor,
  type FunctionFacts,
  type RelationFacts,
  readSplitCatalog,
  type SplitCatalog,
} from "./catalog.ts"
import type { Settled } from "./option.ts"
import { catalogRefusal, hiddenTextRefusal, namesUsed, settingsRead } from "./rules.ts"

/** What is known of a statement's tables, functions and policies. */
export interface Knowledge {
  readonly shape: StatementShape
  readonly catalog: SplitCatalog
  readonly factsOf: (relation: ShapeRelation) => RelationFacts | null
  readonly isAggregate: (schema: string | null, name: string) => boolean
  /** An aggregate that came with PostgreSQL, and that no other function can be meant by. */
  readonly isBuiltin: (call: AggregatePiece) => boolean
  /** Custom settings that the workers need. */
  readonly settings: readonly string[]
  /** The names by which the catalog was asked. */
  readonly asked: readonly AskedName[]
  readonly functions: readonly AskedName[]
}

/** Asks the server about everything that a statement names. A string says why it cannot be split. */
export async function learn(
  executor: Executor,
  shape: StatementShape,
  options: Settled,
  inTransaction: boolean,
): Promise<Knowledge | string> {
  const tables = shape.relations.filter((relation) => relation.kind === "table")
  const asked: AskedName[] = tables.map(({ schema, name }) => ({ schema, name }))
  const own = namesUsed(shape)
  const catalog = await readSplitCatalog(executor, asked, own.functions, own.operators)
  const reason = catalogRefusal(catalog, asked, own.functions, options)
  if (reason !== null) return reason
  const hidden = await readHidden(executor, catalog, options)
  if (typeof hidden === "string") return hidden
  const settings = settingsOf(shape, hidden, catalog, options, inTransaction)
  if (typeof settings === "string") return settings
  const factsByOrdinal = new Map(tables.map((relation, index) => [relation.ordinal, catalog.relations[index]!]))
  const named = ({ schema, name }: AskedName): FunctionFacts[] => functionsNamed(catalog.functions, schema, name)
  return {
    shape,
    catalog,
    factsOf: (relation) => factsByOrdinal.get(relation.ordinal) ?? null,
    isAggregate: (schema, name) => named({ schema, name }).some((one) => one.aggregate),
    isBuiltin: (call) => named(call).every((one) => one.aggregate && one.schema === "pg_catalog"),
    settings,
    asked,
    functions: own.functions,
  }
}

function functionsNamed(functions: readonly FunctionFacts[], schema: string | null, name: string): FunctionFacts[] {
  return functions.filter((one) => one.name === name && (schema === null || one.schema === schema))
}

/** Texts that run with the statement although it does not hold them, and the functions that they call. */
interface Hidden {
  readonly texts: readonly { readonly what: string; readonly shape: StatementShape; readonly policy: boolean }[]
  readonly functions: readonly FunctionFacts[]
}

/** Texts of views and of row security policies. */
async function readHidden(executor: Executor, catalog: SplitCatalog, options: Settled): Promise<Hidden | string> {
  const secured = catalog.views.length > 0 || catalog.relations.some((relation) => relation?.secured)
  const texts = [
    ...catalog.views.map(({ name, definition }) => ({ what: `the view ${name}`, text: definition, policy: false })),
    ...(secured ? catalog.policies : []).map(({ table, condition }) => ({
      what: `a policy of ${table}`,
      text: `SELECT 1 WHERE ${condition}`,
      policy: true,
    })),
  ].map(({ what, text, policy }) => ({ what, shape: statementShapeSync(text), policy }))
  for (const { what, shape } of texts) {
    const reason = hiddenTextRefusal(shape, what)
    if (reason !== null) return reason
  }
  const names = texts.map(({ shape }) => namesUsed(shape))
  const called = names.flatMap((one) => one.functions)
  if (called.length === 0) return { texts, functions: [] }
  const operators = names.flatMap((one) => one.operators)
  const more = await readSplitCatalog(executor, [], called, operators)
  return catalogRefusal(more, [], called, options) ?? { texts, functions: more.functions }
}

/** Custom settings to copy; a string where one that matters was not declared. */
function settingsOf(
  shape: StatementShape,
  hidden: Hidden,
  catalog: SplitCatalog,
  options: Settled,
  inTransaction: boolean,
): readonly string[] | string {
  const undeclared = options.settings === null
  const declared = options.settings ?? []
  const ours = (functions: readonly FunctionFacts[], names: readonly AskedName[]): boolean =>
    names.some(({ schema, name }) => functionsNamed(functions, schema, name).some((one) => !one.builtin))
  // What the statement itself reads by name is there for everybody to see.
  const own = settingsRead(shape)
  if (own.includes(null) && undeclared)
    return "it reads a setting whose name is computed: declare those that it may be, settings: […]"
  for (const { what, shape: text, policy } of hidden.texts) {
    const missing = settingsRead(text).find((name) => (name === null ? undeclared : !declared.includes(name)))
    if (missing !== undefined)
      return `${what} reads the setting ${missing ?? "of a computed name"}: declare it, settings: [${missing === null ? "…" : JSON.stringify(missing)}]`
    if (policy && undeclared && ours(hidden.functions, text.functions))
      return `${what} calls a function, which may read settings: declare them, or settings: [] where it reads none`
  }
  if (inTransaction && undeclared && ours(catalog.functions, shape.functions))
    return "it calls a function, which may read settings of this transaction: declare them, or settings: [] where it reads none"
  return [...new Set([...declared, ...own.filter((name) => name !== null)])]
}
