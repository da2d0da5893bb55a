import type { QueryOptions, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"

/**
 * A relation as callers name it: `"orders"` (looked up along the search path), `"sales.orders"`, as SQL would quote it, a schema and
 * a name as they are, or a pg_class.oid.
 */
export type RelationRef = string | { readonly schema: string; readonly name: string } | number

/** A relation that is there. */
export interface KnownRelation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** pg_class.relkind. */
  readonly kind: string
  readonly persistence: "p" | "u" | "t"
  /** Topmost ancestors by inheritance or partitioning; itself where it has none. */
  readonly roots: readonly number[]
}

interface Row {
  readonly ref: number
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly kind: string
  readonly persistence: "p" | "u" | "t"
  readonly roots: string
}

/** $1 names as they are written, $2 schemas, $3 names, $4 oids: one element for each reference, null where it is of another form. */
const knownText = `
with recursive wanted as (
  select w.ref::int as ref, coalesce(w.oid,
    (select c.oid from pg_catalog.pg_class c where w.written = c.relname and pg_catalog.pg_table_is_visible(c.oid)),
    (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where w.schema = n.nspname and w.name = c.relname),
    (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where w.written like '%.%' and w.written = n.nspname || '.' || c.relname limit 1)) as oid
  from unnest($1::text[], $2::text[], $3::text[], $4::oid[]) with ordinality as w (written, schema, name, oid, ref)),
ancestors (ref, oid) as (
  select ref, oid from wanted where oid is not null
  union select a.ref, i.inhparent from ancestors a join pg_catalog.pg_inherits i on i.inhrelid = a.oid)
select w.ref, c.oid::text as oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
  c.relpersistence::text as persistence,
  (select pg_catalog.array_agg(a.oid order by a.oid) from ancestors a where a.ref = w.ref
    and not exists (select from pg_catalog.pg_inherits i where i.inhrelid = a.oid))::text as roots
from wanted w join pg_catalog.pg_class c on c.oid = w.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
order by w.ref /* selecto:changes */`

const namesText = `
select case when pg_catalog.pg_table_is_visible(c.oid) then c.relname else n.nspname || '.' || c.relname end as name
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'selecto')
limit 5000 /* selecto:changes */`

/**
 * Looks up relations, in the order of `refs`. A string is first taken as a name as it is, then as `schema.name`, then as SQL reads it
 * (folded to lower case where it is not quoted). Errors: E_UNKNOWN_TABLE with what was probably meant.
 */
export async function findRelations(
  session: Session,
  refs: readonly RelationRef[],
  options: QueryOptions,
): Promise<KnownRelation[]> {
  let rows = await lookUp(session, refs, options)
  const parsed = refs.map((ref, index) => (rows.has(index) || typeof ref !== "string" ? ref : (asSql(ref) ?? ref)))
  if (refs.some((ref, index) => parsed[index] !== ref)) rows = await lookUp(session, parsed, options)
  for (const [index, ref] of refs.entries())
    if (!rows.has(index)) {
      const names = (await session.query<{ name: string }>({ text: namesText, values: [] }, options)).rows
      const written = typeof ref === "object" ? `${ref.schema}.${ref.name}` : String(ref)
      const suggestions = suggestionsFor(
        written,
        names.map(({ name }) => name),
      )
      throw new SelectoError(
        "E_UNKNOWN_TABLE",
        `There is no table ${written}, or this role cannot see it.${didYouMean(suggestions)}`,
        { path: written, suggestions },
      )
    }
  return refs.map((_ref, index) => rows.get(index)!)
}

async function lookUp(
  session: Session,
  refs: readonly RelationRef[],
  options: QueryOptions,
): Promise<ReadonlyMap<number, KnownRelation>> {
  const values = [
    refs.map((ref) => (typeof ref === "string" ? ref : null)),
    refs.map((ref) => (typeof ref === "object" ? ref.schema : null)),
    refs.map((ref) => (typeof ref === "object" ? ref.name : null)),
    refs.map((ref) => (typeof ref === "number" ? ref : null)),
  ]
  const { rows } = await session.query<Row>({ text: knownText, values }, options)
  return new Map(
    rows.map(({ ref, oid, roots, ...row }) => [Number(ref) - 1, { ...row, oid: Number(oid), roots: oidsOf(roots) }] as const),
  )
}

/** An array of oids in PostgreSQL's text. */
export function oidsOf(text: string): number[] {
  return text === "{}" ? [] : text.slice(1, -1).split(",").map(Number)
}

/** `Sales."Orders"` as SQL reads it: { schema: "sales", name: "Orders" }; null for what is no such name. */
function asSql(written: string): RelationRef | null {
  const parts = [...written.matchAll(/\s*(?:"((?:[^"]|"")+)"|([^\s".]+))\s*(\.|$)/gy)]
  if (parts.map(([all]) => all).join("") !== written || parts.length === 0 || parts.length > 2) return null
  const names = parts.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain!.toLowerCase())
  return names.length === 2 ? { schema: names[0]!, name: names[1]! } : names[0]!
}
