import type { CastInfo, FunctionInfo, OperatorInfo, TypeCatalog, TypeInfo } from "../sql/typing/type-catalog.ts"
import type { Database, Session, Statement } from "./database.ts"

/** Types, operators and casts of a database, and the functions that were asked for by name. */
export interface DatabaseTypes extends TypeCatalog {
  /** Schemas in the order of the search path, pg_catalog among them. */
  readonly searchPath: readonly string[]
  /** Reads the functions of these names, of whatever schema, unless they are known. */
  load(names: Iterable<string>): Promise<void>
}

const limits = { timeoutMs: 30_000 }

/** Reads what {@link TypeCatalog} asks for, through a session or on any. Some thousand small rows, once a database and search path. */
export async function readTypes(source: Database | Session): Promise<DatabaseTypes> {
  const ask = async (statement: Statement): Promise<string> => (await source.queryText(statement, limits)).rows[0]![0]!
  const [types, operators, casts, path] = await inOrder([typesText, operatorsText, castsText, pathText], (text) =>
    ask({ text, values: [] }),
  )
  const searchPath = JSON.parse(path!) as string[]
  const functions = new Map<string, readonly FunctionInfo[]>()
  const catalog = assemble(JSON.parse(types!), JSON.parse(operators!), JSON.parse(casts!), functions, searchPath)
  return {
    ...catalog,
    searchPath,
    load: async (names) => {
      const missing = [...new Set(names)].filter((name) => !functions.has(name))
      if (missing.length === 0) return
      const found = JSON.parse(await ask({ text: functionsText, values: [missing] })) as FunctionInfo[]
      for (const name of missing)
        functions.set(
          name,
          found.filter((info) => info.name === name),
        )
    },
  }
}

async function inOrder<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (const item of items) results.push(await run(item))
  return results
}

function assemble(
  types: readonly TypeInfo[],
  operators: readonly OperatorInfo[],
  casts: readonly (CastInfo & { readonly source: number; readonly target: number })[],
  functions: ReadonlyMap<string, readonly FunctionInfo[]>,
  searchPath: readonly string[],
): TypeCatalog {
  const typesById = new Map(types.map((type) => [type.id, type]))
  const typesByName = grouped(types)
  const operatorsByName = grouped(operators)
  const castsByPair = new Map(casts.map((cast) => [`${cast.source} ${cast.target}`, cast]))
  const visible = <T extends { readonly schema: string }>(schema: string | null, all: readonly T[]): readonly T[] => {
    if (schema !== null) return all.filter((item) => item.schema === schema)
    const place = (item: T): number => searchPath.indexOf(item.schema)
    return all.filter((item) => place(item) >= 0).sort((a, b) => place(a) - place(b))
  }
  return {
    typeById: (id) => typesById.get(id) ?? null,
    typeByName: (schema, name) => visible(schema, typesByName.get(name) ?? [])[0] ?? null,
    functions: (schema, name) => visible(schema, functions.get(name) ?? []),
    operators: (schema, name) => visible(schema, operatorsByName.get(name) ?? []),
    cast: (source, target) => castsByPair.get(`${source} ${target}`) ?? null,
  }
}

function grouped<T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(item.name)
    if (group === undefined) groups.set(item.name, [item])
    else group.push(item)
  }
  return groups
}

const volatility = (column: string): string =>
  `case ${column} when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end`

/** Row types of tables are left out, and so are arrays of them. Own types are always qualified: another search path may hide them. */
const typesText = `
select coalesce(json_agg(json_build_object(
  'id', t.oid::int8, 'schema', n.nspname, 'name', t.typname,
  'text', case when n.nspname = 'pg_catalog' then pg_catalog.format_type(t.oid, -1)
          when t.typelem <> 0 and t.typlen = -1 and t.typcategory = 'A'
            then (select format('%I.%I[]', en.nspname, e.typname) from pg_catalog.pg_type e
                  join pg_catalog.pg_namespace en on en.oid = e.typnamespace where e.oid = t.typelem)
          else format('%I.%I', n.nspname, t.typname) end,
  'category', t.typcategory, 'preferred', t.typispreferred,
  'kind', case t.typtype when 'b' then 'base' when 'e' then 'enum' when 'd' then 'domain' when 'c' then 'composite'
          when 'r' then 'range' when 'm' then 'multirange' else 'pseudo' end,
  'element', case when t.typelem <> 0 and t.typlen = -1 and t.typcategory = 'A' then t.typelem::int8 end,
  'array', nullif(t.typarray, 0)::int8, 'base', nullif(t.typbasetype, 0)::int8,
  'labels', (select json_agg(l.enumlabel order by l.enumsortorder) from pg_catalog.pg_enum l where l.enumtypid = t.oid)
)), '[]')::text
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where t.typrelid = 0 and n.nspname !~ '^pg_(toast|temp_)'
  and not exists (select from pg_catalog.pg_type e where e.oid = t.typelem and t.typcategory = 'A' and e.typrelid <> 0) /* selecto:database */`

const operatorsText = `
select coalesce(json_agg(json_build_object(
  'schema', n.nspname, 'name', o.oprname, 'left', nullif(o.oprleft, 0)::int8, 'right', o.oprright::int8, 'result', o.oprresult::int8,
  'commutator', (select c.oprname from pg_catalog.pg_operator c where c.oid = o.oprcom),
  'negator', (select c.oprname from pg_catalog.pg_operator c where c.oid = o.oprnegate),
  'strict', p.proisstrict, 'volatility', ${volatility("p.provolatile")}
)), '[]')::text
from pg_catalog.pg_operator o join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
join pg_catalog.pg_proc p on p.oid = o.oprcode
where o.oprright <> 0 /* selecto:database */`

const castsText = `
select coalesce(json_agg(json_build_object(
  'source', c.castsource::int8, 'target', c.casttarget::int8,
  'context', case c.castcontext when 'i' then 'implicit' when 'a' then 'assignment' else 'explicit' end,
  'method', case c.castmethod when 'b' then 'binary' when 'i' then 'text' else 'function' end,
  'volatility', case when c.castfunc = 0 then 'immutable' else
    (select ${volatility("p.provolatile")} from pg_catalog.pg_proc p where p.oid = c.castfunc) end
)), '[]')::text
from pg_catalog.pg_cast c /* selecto:database */`

const pathText = "select pg_catalog.to_json(pg_catalog.current_schemas(true))::text /* selecto:database */"

const functionsText = `
select coalesce(json_agg(json_build_object(
  'schema', n.nspname, 'name', p.proname, 'args', pg_catalog.to_json(p.proargtypes::oid[]::int8[]),
  'argNames', case when p.proargnames is null then '[]'::json else pg_catalog.to_json(p.proargnames) end,
  'defaults', p.pronargdefaults, 'variadic', nullif(p.provariadic, 0)::int8, 'result', p.prorettype::int8,
  'kind', case p.prokind when 'a' then 'aggregate' when 'w' then 'window' when 'p' then 'procedure' else 'function' end,
  'returnsSet', p.proretset, 'strict', p.proisstrict, 'volatility', ${volatility("p.provolatile")}
)), '[]')::text
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where p.proname = any($1) /* selecto:database */`
