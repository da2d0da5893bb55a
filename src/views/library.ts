import type { Relation } from "../database/catalog.ts"
import type { Database } from "../database/database.ts"
import { readCatalog } from "../database/read-catalog.ts"
import { type DatabaseTypes, readTypes } from "../database/read-types.ts"
import type { StatementShape } from "../sql/index.ts"

/** What the session that rewrites is: the same text may mean something else in another one. */
export interface SessionSettings {
  readonly role: string
  readonly searchPath: readonly string[]
  readonly timeZone: string
}

/** What the room has read of a database: its types, and the relations and functions that views and queries named so far. */
export interface Library {
  readonly types: DatabaseTypes
  readonly settings: SessionSettings
  /** A relation as a statement of this session names it; null when there is none. Only of names given to `load` before. */
  readonly find: (schema: string | null, name: string) => Relation | null
  /** Every relation read so far. */
  readonly relations: () => Iterable<Relation>
  /** Reads what statements name and is not known yet. */
  readonly load: (shapes: readonly StatementShape[]) => Promise<void>
  /** Asks the server: true when relations, settings and what names stand for are as they were read. */
  readonly isCurrent: () => Promise<boolean>
  /** True when everything that the statement names is known: then nothing has to be asked. */
  readonly knows: (shape: StatementShape) => boolean
}

const limits = { timeoutMs: 30_000 }

const settingsText = `
select pg_catalog.json_build_object('role', current_user, 'timeZone', pg_catalog.current_setting('TimeZone'),
  'searchPath', array(select s from unnest(pg_catalog.current_schemas(true)) with ordinality as u(s, n) where s !~ '^pg_temp' order by n))::text /* selecto:views */`

/** What proofs stand on: everything but sizes and statistics. */
function structureOf({
  oid,
  kind,
  query,
  populated,
  rowSecurity,
  readable,
  children,
  columns,
  indexes,
  constraints,
}: Relation): string {
  return JSON.stringify([
    [oid, kind, query, populated, rowSecurity, readable, children],
    columns.map(({ name, type, nullable, deterministic, readable: own }) => [name, type, nullable, deterministic, own]),
    indexes.map(({ name, definition, unique, immediate, valid }) => [name, definition, unique, immediate, valid]),
    constraints,
  ])
}

/** Functions that answers are written with. */
const ownFunctions = "sum count avg min max bool_and bool_or bit_and bit_or bit_xor date_trunc timezone extract".split(" ")

export async function readLibrary(database: Database): Promise<Library> {
  const types = await readTypes(database)
  await types.load(ownFunctions)
  const readSettings = async (): Promise<SessionSettings> => {
    const { rows } = await database.queryText({ text: settingsText, values: [] }, limits)
    return JSON.parse(rows[0]![0]!) as SessionSettings
  }
  const settings = await readSettings()
  const relations = new Map<string, Relation>()
  const asked = new Set<string>()
  const functions = new Set(ownFunctions)
  const find: Library["find"] = (schema, name) => {
    for (const one of schema === null ? types.searchPath : [schema]) {
      const relation = relations.get(`${one}.${name}`)
      if (relation !== undefined) return relation
    }
    return null
  }
  const newNames = (shape: StatementShape): { schema: string | undefined; name: string }[] =>
    shape.relations
      .filter((relation) => relation.kind === "table" && !asked.has(`${relation.schema ?? ""}.${relation.name}`))
      .map(({ schema, name }) => ({ schema: schema ?? undefined, name }))
  const newFunctions = (shape: StatementShape): string[] =>
    shape.functions.map(({ name }) => name).filter((name) => !functions.has(name))
  const named: { schema: string | undefined; name: string }[] = []
  return {
    types,
    settings,
    isCurrent: async () => {
      const now = await readSettings()
      if (JSON.stringify(now) !== JSON.stringify(settings)) return false
      const { relations: read } = named.length === 0 ? { relations: [] } : await readCatalog(database, { relations: named })
      if (read.length !== relations.size) return false
      return read.every((relation) => {
        const known = relations.get(`${relation.schema}.${relation.name}`)
        return known !== undefined && structureOf(known) === structureOf(relation)
      })
    },
    find,
    relations: () => relations.values(),
    knows: (shape) => newNames(shape).length === 0 && newFunctions(shape).length === 0,
    load: async (shapes) => {
      const names = shapes.flatMap(newNames)
      if (names.length > 0) {
        const catalog = await readCatalog(database, { relations: names })
        for (const relation of catalog.relations) relations.set(`${relation.schema}.${relation.name}`, relation)
        named.push(...names)
        for (const { schema, name } of names) asked.add(`${schema ?? ""}.${name}`)
      }
      const called = shapes.flatMap(newFunctions)
      await types.load(called)
      for (const name of called) functions.add(name)
    },
  }
}
