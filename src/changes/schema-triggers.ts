import { definer, invoker } from "./schema-since.ts"

/**
 * Writing the log, and keeping the triggers that write it where they must be.
 *
 * A trigger's first argument is the root's oid where its table is not the root itself, so that one probe of the log answers for a
 * whole tree: statement triggers of a partitioned table and those of its partitions never fire for the same statement.
 */
export const triggers: readonly string[] = [
  `create function selecto.changes_said(p_relation oid) returns boolean language sql stable ${definer} set enable_seqscan = off as $$
    select exists (select from selecto.changes_log where relation = p_relation and xid = pg_current_xact_id())
  $$`,
  // A transaction without an xid has changed nothing: an UPDATE that met no row invalidates nothing. A transaction that has run for
  // a while looks first whether it has said so already: an import row by row must not fill the log.
  `create function selecto.changes_log() returns trigger language plpgsql ${definer} as $$
  begin
    if pg_current_xact_id_if_assigned() is null then return null; end if;
    if clock_timestamp() > transaction_timestamp() + interval '50 ms'
      and selecto.changes_said(coalesce(tg_argv[0]::oid, tg_relid)) then return null; end if;
    insert into selecto.changes_log values (coalesce(tg_argv[0]::oid, tg_relid), pg_current_xact_id());
    return null;
  end $$`,
  `create function selecto.changes_notify() returns trigger language plpgsql ${definer} as $$
  begin
    if pg_current_xact_id_if_assigned() is null then return null; end if;
    perform pg_notify('selecto_changes', coalesce(tg_argv[0], tg_relid::text) || ' ' || pg_current_xact_id()::text);
    return null;
  end $$`,
  // For what no trigger sees: a materialized view refreshed, a definition altered.
  `create function selecto.changes_touch(p_relations oid[]) returns void language plpgsql ${definer} as $$
  declare touched oid;
  begin
    for touched in select distinct root from selecto.changes_member where member = any (p_relations) loop
      if not selecto.changes_said(touched) then insert into selecto.changes_log values (touched, pg_current_xact_id()); end if;
      -- Only where somebody listens: a transaction that has notified cannot be prepared.
      if exists (select from selecto.changes_need n where n.notify and (n.root = touched or touched = 0)) then
        perform pg_notify('selecto_changes', touched::text || ' ' || pg_current_xact_id()::text);
      end if;
    end loop;
  end $$`,
  // The trees of a root (null: of every one) as they are, in one go.
  `create function selecto.changes_trees(p_root oid) returns table (root oid, member oid) language sql stable
    ${invoker} as $$
    with recursive tree (root, oid) as (
      select r.root, r.root from selecto.changes_root r where r.root <> 0 and (p_root is null or r.root = p_root)
      union select t.root, i.inhrelid from pg_inherits i join tree t on i.inhparent = t.oid)
    select t.root, c.oid from tree t join pg_class c on c.oid = t.oid where c.relpersistence <> 't'
  $$`,
  // What is to be done so that the members of a root (null: of every root) have just the triggers that they must have.
  `create function selecto.changes_plan(p_root oid) returns table (root oid, member oid, problem text, statements text[])
    language sql stable ${invoker} as $$
    with live (root, member) as (
      select t.root, t.member from selecto.changes_trees(p_root) t join selecto.changes_root r on r.root = t.root where r.kind = 'table'),
    scope (root, member) as (
      select * from live
      union select m.root, m.member from selecto.changes_member m where m.root <> 0 and (p_root is null or m.root = p_root)),
    -- A child of two parents has the triggers of both.
    placed (root, member) as (
      select * from live
      union select m.root, m.member from selecto.changes_member m
        where p_root is not null and m.root <> p_root and m.member in (select s.member from scope s)),
    named as (
      select t.*, 'selecto_' || t.component || '_' || substr(encode(sha256(convert_to(concat_ws(e'\\n',
        t.root, t.set_name, t.part, t.events, t.level, t.transition, t.members, t.function), 'UTF8')), 'hex'), 1, 16) as name
      from selecto.changes_trigger t),
    expected as (
      select p.member, p.root, t.name, array[
        format('create trigger %I after %s on %s %s for each %s execute function selecto.%I(%s)', t.name,
          array_to_string(t.events, ' or '), p.member::regclass,
          case when t.transition then 'referencing '
            || case when t.events <> '{insert}' then 'old table as old_rows ' else '' end
            || case when t.events <> '{delete}' then 'new table as new_rows' else '' end else '' end,
          t.level, t.function, case when p.member <> p.root then quote_literal(p.root) else '' end),
        format('alter table %s enable always trigger %I', p.member::regclass, t.name)] as statements
      from placed p join named t on t.root = p.root join pg_class c on c.oid = p.member
      where case t.level when 'statement' then c.relkind in ('r', 'p') else c.relkind = 'r' end
        and (t.members = 'all' or exists (select from pg_subscription_rel s where s.srrelid = p.member))),
    actual as (
      select g.tgrelid as member, g.tgname::text as name, g.tgenabled
      from pg_trigger g join pg_proc f on f.oid = g.tgfoid join pg_namespace n on n.oid = f.pronamespace
      where n.nspname = 'selecto' and g.tgname like 'selecto\\_%' and not g.tgisinternal
        and g.tgrelid in (select s.member from scope s))
    select coalesce(e.root, p_root, (select min(s.root) from scope s where s.member = a.member)), coalesce(e.member, a.member),
      case when a.name is null then 'missing' when e.name is null then 'unexpected' else 'disabled' end,
      case when a.name is null then e.statements
        when e.name is null then array[format('drop trigger %I on %s', a.name, a.member::regclass)] else e.statements[2:2] end
    from expected e full join actual a on a.member = e.member and a.name = e.name
    where a.name is null or e.name is null or a.tgenabled <> 'A'
    order by 2, 3
  $$`,
  // Why changes of a root (null: of every one) cannot be known; no row where they are.
  `create function selecto.changes_blindness(p_root oid) returns table (root oid, why text) language sql stable
    ${invoker} as $$
    select found.root, string_agg(distinct found.why, '; ') from (
      select t.root, format(case when c.relkind = 'f' then '%s is a foreign table' else '%s is unlogged: a crash empties it' end,
        c.oid::regclass) as why
      from selecto.changes_trees(p_root) t join pg_class c on c.oid = t.member where c.relkind = 'f' or c.relpersistence = 'u'
      union all select r.root, format('%s has become a partition or child of %s', i.inhrelid::regclass, i.inhparent::regclass)
      from selecto.changes_root r join pg_inherits i on i.inhrelid = r.root where p_root is null or r.root = p_root
      union all select p.root, format('a trigger on %s is %s', p.member::regclass, p.problem)
      from selecto.changes_plan(p_root) p where p.problem <> 'unexpected') found
    group by found.root
  $$`,
  // Makes triggers and members what they must be; says what was done. Takes locks on the tables that lack something. Without
  // p_repair only tables that came or went are seen to: what somebody has just disabled stays so, and makes the root blind.
  `create function selecto.changes_arm(p_root oid, p_repair boolean) returns text[] language plpgsql ${invoker} as $$
  declare
    done text[] := '{}';
    step record;
    statement text;
    reason text;
  begin
    perform set_config('selecto.arming', 'on', true);
    for step in select * from selecto.changes_plan(p_root) p where p_repair or p.problem = 'unexpected'
      or not exists (select from selecto.changes_member m where m.member = p.member and m.root = p_root)
    loop
      foreach statement in array step.statements loop execute statement; end loop;
      done := done || format('%s: a trigger was %s', step.member::regclass, step.problem);
    end loop;
    perform set_config('selecto.arming', '', true);
    delete from selecto.changes_member m where m.root = p_root
      and not exists (select from selecto.changes_tree(p_root) t where t.member = m.member);
    if found then done := done || format('%s: members are gone', p_root::regclass); end if;
    insert into selecto.changes_member select t.member, p_root from selecto.changes_tree(p_root) t on conflict do nothing;
    if found then done := done || format('%s: there are new members', p_root::regclass); end if;
    select b.why into reason from selecto.changes_blindness(p_root) b;
    update selecto.changes_root set blind = reason where root = p_root and blind is distinct from reason;
    return done;
  end $$`,
]
