import { oidsOf } from "../changes/index.ts"
import type { QueryOptions, Session } from "../database/database.ts"
import { limits } from "./state.ts"

/** Materialized views below others, through views in between. $1 are the upper ones. */
const belowText = `
with recursive below (view, oid) as (
  select v, v from unnest($1::oid[]) v
  union
  select b.view, d.refobjid from below b join pg_catalog.pg_rewrite r on r.ev_class = b.oid
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
      and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> b.oid
    join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('v', 'm'))
select v::int8::text as view, array(select b.oid::int8 from below b join pg_catalog.pg_class c on c.oid = b.oid
  where b.view = v and b.oid <> v and c.relkind = 'm' order by 1)::text as below
from unnest($1::oid[]) v /* selecto:views */`

/** Of each view the materialized views that it reads, at any depth. */
export async function viewsBelow(
  session: Session,
  views: readonly number[],
  options: QueryOptions = limits,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const { rows } = await session.query<{ view: string; below: string }>(
    { text: belowText, values: [`{${views.join(",")}}`] },
    options,
  )
  return new Map(rows.map(({ view, below }) => [Number(view), oidsOf(below)]))
}

/** Lower views first: who has fewer below it can be above none that has more. */
export function inOrder(views: readonly number[], below: ReadonlyMap<number, readonly number[]>): number[] {
  const depth = (view: number): number => below.get(view)?.length ?? 0
  return [...new Set(views)].sort((a, b) => depth(a) - depth(b) || a - b)
}

/** Sets of views that have to do with one another; each can be refreshed without the others. */
export function groupsOf(views: readonly number[], below: ReadonlyMap<number, readonly number[]>): number[][] {
  const groups: Set<number>[] = []
  for (const view of views) {
    const related = new Set([view, ...(below.get(view) ?? []).filter((one) => views.includes(one))])
    for (let i = groups.length - 1; i >= 0; i--) {
      if (![...groups[i]!].some((one) => related.has(one))) continue
      for (const one of groups[i]!) related.add(one)
      groups.splice(i, 1)
    }
    groups.push(related)
  }
  return groups.map((group) => inOrder([...group], below))
}

const aboveText = `
with recursive above (oid) as (
  select $1::oid
  union
  select r.ev_class from above a join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and d.refobjid = a.oid and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    join pg_catalog.pg_rewrite r on r.oid = d.objid and r.ev_class <> a.oid)
select c.oid::int8::text as oid, c.relkind::text as kind, n.nspname::text as schema, c.relname::text as name
from above a join pg_catalog.pg_class c on c.oid = a.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where a.oid <> $1 order by n.nspname, c.relname /* selecto:views */`

/** A view that reads a view. */
export interface Dependant {
  readonly oid: number
  readonly kind: "view" | "materialized view" | "table"
  readonly schema: string
  readonly name: string
}

/** Views that read a view, at any depth: what would break if it were dropped. */
export async function dependantsOf(session: Session, view: number, options: QueryOptions = limits): Promise<Dependant[]> {
  const { rows } = await session.query<{ oid: string; kind: string; schema: string; name: string }>(
    { text: aboveText, values: [view] },
    options,
  )
  const kinds = { v: "view", m: "materialized view" } as Record<string, Dependant["kind"]>
  return rows.map((row) => ({ ...row, oid: Number(row.oid), kind: kinds[row.kind] ?? "table" }))
}
