import { type Component, definer } from "../changes/index.ts"

/** Only this may be called by whoever may use the schema. */
const forAll = "selecto.views_fresh(oid)"

/** What is known of managed views. The oid is worth something in one life of the state only; after a restore they are found by name. */
const tables: readonly string[] = [
  `create table selecto.views_view (
    id int generated always as identity primary key,
    relation oid not null unique deferrable,
    epoch text not null,
    schema text not null,
    name text not null,
    origin text not null check (origin in ('created', 'adopted')),
    source text not null,
    search_path text not null,
    definition text not null,
    time_zone text,
    strategy jsonb not null,
    max_staleness int8,
    tracked boolean not null,
    bases oid[] not null,
    meanings oid[] not null,
    meaning text,
    created_at timestamptz not null default pg_catalog.now(),
    generation int8 not null default 0,
    mark text,
    storage oid,
    refreshed_at timestamptz,
    verified_at timestamptz,
    duration_ms float8,
    was_concurrent boolean,
    next_run timestamptz,
    failures int not null default 0,
    error text,
    failed_at timestamptz,
    own_scans int8 not null default 0,
    scans int8,
    read_at timestamptz,
    quarantined_at timestamptz,
    former_name text)`,
  // Materialized views below a view, and which refresh of theirs it was filled from.
  `create table selecto.views_input (view int references selecto.views_view on delete cascade, relation oid, generation int8 not null,
    primary key (view, relation))`,
]

/**
 * Another text after any of these views or functions was replaced. Their rows are asked for as they are kept; nothing else tells of a
 * body that is another one now.
 */
const meaning = `create function selecto.views_meaning(p_objects oid[]) returns text language sql stable parallel safe
  set search_path = pg_catalog, pg_temp as $$
  select coalesce(string_agg(found.version, ',' order by found.version), '') from (
    select 'r' || r.oid || ':' || r.xmin from pg_rewrite r where r.ev_class = any (p_objects)
    union all select 'f' || f.oid || ':' || f.xmin from pg_proc f where f.oid = any (p_objects)) found (version)
$$`

/**
 * True when a view holds what its definition gives in the present snapshot: nothing below it has changed since it was filled, and its
 * rows are those of the refresh that this snapshot knows of. The file is asked for as it is now, whatever the snapshot: after a plain
 * REFRESH even a transaction with an older snapshot sees the new rows. Whoever relies on it reads the view in the same statement, or
 * holds a lock on it.
 */
const fresh = `create function selecto.views_fresh(p_view oid) returns boolean language plpgsql stable parallel safe ${definer} as $$
declare
  found_view record;
  input record;
begin
  select id, tracked, mark, storage, bases, meanings, meaning into found_view from selecto.views_view where relation = p_view;
  if not found or not found_view.tracked or found_view.mark is null then return false; end if;
  if pg_relation_filenode(p_view) is distinct from found_view.storage then return false; end if;
  if cardinality(found_view.meanings) > 0 and selecto.views_meaning(found_view.meanings) is distinct from found_view.meaning then
    return false;
  end if;
  if selecto.changes_since(found_view.bases, found_view.mark) then return false; end if;
  for input in select i.relation, i.generation from selecto.views_input i where i.view = found_view.id loop
    if not exists (select from selecto.views_view v where v.relation = input.relation and v.generation = input.generation)
      or not selecto.views_fresh(input.relation) then return false; end if;
  end loop;
  return true;
end $$`

/** What this room keeps in schema `selecto`. */
export const viewsComponent: Component = {
  name: "views",
  migrations: [
    {
      name: "life of materialized views",
      statements: [
        ...tables,
        meaning,
        fresh,
        "revoke execute on function selecto.views_meaning(oid[]), selecto.views_fresh(oid) from public",
        `grant execute on function ${forAll} to public`,
      ],
    },
  ],
}
