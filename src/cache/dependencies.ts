import { markSql } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import { isSelectoError } from "../errors.ts"
import { type StatementShape, statementShape, statementShapeSync } from "../sql/index.ts"
import { type CalledFunction, functionRefusal, textRefusal } from "./rules.ts"

/** What a statement's result depends on, or why it is not kept. */
export interface Analysis {
  /** A sentence; null where the result may be kept. */
  readonly refusal: string | null
  /** Tables that have to be installed before it is; empty where none is missing. */
  readonly missing: readonly string[]
  /** pg_class.oid of the tracked roots, and of untracked tables in mode "ttl"; 0, the catalog, is one of them. */
  readonly relations: readonly number[]
  /** When this was so, for changedSince; null in mode "ttl". */
  readonly mark: string | null
}

interface Name {
  readonly schema: string | null
  readonly name: string
}

interface Facts {
  readonly relations: readonly {
    readonly oid: number
    readonly name: string
    readonly kind: string
    readonly temporary: boolean
    readonly system: boolean
    readonly secured: boolean
    readonly roots: readonly number[]
    readonly covered: boolean
  }[]
  readonly unknown: readonly string[]
  readonly views: readonly { readonly name: string; readonly definition: string }[]
  readonly operator: string | null
  readonly mark: string | null
}

/**
 * Relations by the names in the text, and everything behind the views among them by what the server itself has recorded. `%tracked%` is
 * the part that schema selecto is needed for.
 */
const question = (installed: boolean): string => `
with recursive asked as (
  select n, s, to_regclass(case when s is null then quote_ident(n) else quote_ident(s) || '.' || quote_ident(n) end)::oid as oid
  from unnest($1::text[], $2::text[]) as a(s, n)
), behind(oid, direct) as (
  select oid, true from asked where oid is not null
  union select d.refobjid, false from behind join pg_catalog.pg_rewrite r on r.ev_class = behind.oid
    join pg_catalog.pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    join pg_catalog.pg_class v on v.oid = behind.oid and v.relkind = 'v'
    where d.refobjid <> behind.oid
), found as (select oid, bool_and(direct) as direct from behind group by oid)
select json_build_object(
  'mark', ${installed ? markSql : "null::text"},
  'unknown', coalesce((select json_agg(n) from asked where oid is null), '[]'),
  'relations', coalesce((select json_agg(json_build_object('oid', c.oid::int8, 'name', quote_ident(n.nspname) || '.' || quote_ident(c.relname),
      'kind', c.relkind, 'temporary', c.relpersistence = 't', 'system', n.nspname in ('pg_catalog', 'information_schema'),
      'secured', c.relrowsecurity and (not f.direct or row_security_active(c.oid)),
      'roots', ${installed ? "coalesce((select json_agg(m.root::int8) from selecto.changes_member m where m.member = c.oid), '[]')" : "'[]'::json"},
      'covered', ${
        installed
          ? `exists (select from selecto.changes_member m where m.member = c.oid) and (select bool_and(r.blind is null and
        (case when $4 then exists (select from selecto.changes_need d where d.root = r.root and d.notify) else r.logged end))
        from selecto.changes_member m join selecto.changes_root r on r.root = m.root where m.member = c.oid)`
          : "false"
      }))
    from found f join pg_catalog.pg_class c on c.oid = f.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace), '[]'),
  'views', coalesce((select json_agg(json_build_object('name', c.relname, 'definition', pg_get_viewdef(c.oid)))
    from found f join pg_catalog.pg_class c on c.oid = f.oid where c.relkind = 'v'), '[]'),
  'operator', coalesce((select oprname from pg_catalog.pg_operator o join pg_catalog.pg_proc p on p.oid = o.oprcode
      where o.oid >= 16384 and oprname = any($3::text[]) and provolatile <> 'i' limit 1),
    (select 'cast to ' || format_type(casttarget, null) from pg_catalog.pg_cast c join pg_catalog.pg_proc p on p.oid = castfunc
      where c.oid >= 16384 and provolatile <> 'i' limit 1))
)::text /* selecto:cache */`

const functionsQuestion = `
select coalesce(json_agg(json_build_object('name', p.proname, 'builtin', p.oid < 16384, 'volatility', p.provolatile,
  'extension', exists (select from pg_catalog.pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'))), '[]')::text
from (select distinct p.oid from unnest($1::text[], $2::text[]) as f(s, name) join pg_catalog.pg_proc p on p.proname = f.name
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where case when f.s is null then n.nspname = any(current_schemas(true)) else n.nspname = f.s end) named
join pg_catalog.pg_proc p on p.oid = named.oid /* selecto:cache */`

const limits = { timeoutMs: 10_000 }

/** How an analysis is made. */
export interface AnalysisNeeds {
  /** "notify": changes must be told; "log": they must be in the change log; null: neither. */
  readonly tracked: "notify" | "log" | null
  readonly functions: ReadonlySet<string>
}

/** Asks the server what a statement depends on: one round trip, and one more where it or a view calls functions. */
export async function analyse(
  database: Database,
  text: string,
  values: readonly unknown[],
  needs: AnalysisNeeds,
): Promise<Analysis> {
  const shape = await statementShape(text).catch(() => null)
  if (shape === null) return refused("the text is not one that can be read")
  const reason = textRefusal(shape, values)
  if (reason !== null) return refused(reason)
  const facts = await factsOf(database, shape, needs)
  if (facts.unknown.length > 0) return refused(`the table ${facts.unknown[0]} is not known`)
  for (const { name, kind, temporary, system, secured } of facts.relations) {
    if (temporary) return refused(`${name} is a temporary table`)
    if (kind === "f") return refused(`${name} is a foreign table, whose changes nobody tells`)
    if (system) return refused(`${name} is a system catalog`)
    if (secured) return refused(`row security of ${name} gives every user and setting rows of its own`)
    if (!"rpvm".includes(kind)) return refused(`${name} is no table or view`)
  }
  const shapes = [shape]
  for (const { name, definition } of facts.views) {
    const inner = statementShapeSync(definition)
    const hidden = textRefusal(inner)
    if (hidden !== null) return refused(`in the view ${name}: ${hidden}`)
    shapes.push(inner)
  }
  if (facts.operator !== null) return refused(`the operator or cast ${facts.operator} of this database is not IMMUTABLE`)
  const named: Name[] = shapes.flatMap((one) => [...one.functions])
  const unclear = await calledFunctions(database, named, needs.functions)
  if (unclear !== null) return refused(unclear)
  const tables = facts.relations.filter(({ kind }) => kind !== "v")
  const missing = needs.tracked === null ? [] : tables.filter(({ covered }) => !covered).map(({ name }) => name)
  const relations = new Set([0, ...tables.flatMap(({ oid, roots }) => (roots.length === 0 ? [oid] : roots))])
  return { refusal: null, missing, relations: [...relations], mark: facts.mark }
}

async function factsOf(database: Database, shape: StatementShape, { tracked }: AnalysisNeeds): Promise<Facts> {
  const tables = shape.relations.filter((relation) => relation.kind === "table")
  const operators = new Set<string>()
  for (const name of operatorsOf(shape)) operators.add(name)
  const values = [tables.map(({ schema }) => schema), tables.map(({ name }) => name), [...operators]]
  const ask = async (installed: boolean): Promise<Facts> => {
    const statement = { text: question(installed), values: installed ? [...values, tracked === "notify"] : values }
    return JSON.parse((await database.queryText(statement, limits)).rows[0]![0]!) as Facts
  }
  if (tracked === null) return ask(false)
  try {
    return await ask(true)
  } catch (error) {
    // No schema selecto, or no right to it: nothing is tracked then.
    if (isSelectoError(error) && ["42P01", "42883", "42501", "3F000"].includes(error.sqlState ?? "")) return ask(false)
    throw error
  }
}

function* operatorsOf(shape: StatementShape): Iterable<string> {
  const found: string[] = []
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return
    const { kind, name } = value as { kind?: unknown; name?: unknown }
    if (kind === "operator" && typeof name === "string") found.push(name)
    for (const inner of Object.values(value)) visit(inner)
  }
  visit(shape.blocks)
  yield* found
}

async function calledFunctions(
  database: Database,
  names: readonly Name[],
  declared: ReadonlySet<string>,
): Promise<string | null> {
  if (names.length === 0) return null
  const values = [names.map(({ schema }) => schema), names.map(({ name }) => name)]
  const { rows } = await database.queryText({ text: functionsQuestion, values }, limits)
  const known = JSON.parse(rows[0]![0]!) as CalledFunction[]
  const unknown = names.find(({ name }) => !declared.has(name) && !known.some((one) => one.name === name))
  return unknown === undefined ? functionRefusal(known, declared) : `the function ${unknown.name}() is not known`
}

function refused(refusal: string): Analysis {
  return { refusal, missing: [], relations: [0], mark: null }
}
