import { definer, invoker } from "./schema-since.ts"

/** Noticing what is altered: fingerprints to compare, and event triggers where the role may have them. */
export const ddl: readonly string[] = [
  // What the rows of a tree (null: of every one) mean, and who may read them: columns and their types, policies, and the functions
  // that these call.
  `create function selecto.changes_fingerprints(p_root oid) returns table (root oid, fingerprint text) language sql stable
    ${invoker} as $$
    with recursive tree as (
      select t.root, c.oid, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relacl
      from selecto.changes_trees(p_root) t join pg_class c on c.oid = t.member),
    columns as (
      select r.root, a.*, case when a.attgenerated <> '' then d.oid end as generation, case when a.attgenerated <> '' then d.adbin::text end as generated
      from (select distinct t.root from tree t) r join pg_attribute a on a.attrelid = r.root and a.attnum > 0
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum),
    types (root, oid) as (
      select c.root, c.atttypid from columns c
      union select k.root, u.oid from types k join pg_type t on t.oid = k.oid left join pg_range r on r.rngtypid = t.oid
        cross join lateral (select t.typelem union all select t.typbasetype union all select r.rngsubtype union all
          select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0) u (oid)
      where u.oid >= 16384),
    policies as (select t.root, p.* from tree t join pg_policy p on p.polrelid = t.oid),
    functions as (
      select p.root, d.refobjid as oid from policies p join pg_depend d
        on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
      union select c.root, d.refobjid from columns c join pg_depend d
        on d.classid = 'pg_attrdef'::regclass and d.objid = c.generation and d.refclassid = 'pg_proc'::regclass),
    lines (root, line) as (
      select t.root, concat_ws('|', 'relation', t.*) from tree t
      union all select c.root, concat_ws('|', 'column', c.attnum, c.attname, c.atttypid, c.atttypmod, c.attnotnull, c.attcollation,
        c.attisdropped, c.attgenerated, c.attacl, c.generated) from columns c
      union all select k.root, concat_ws('|', 'type', t.oid, t.typtype, t.typbasetype, t.typtypmod, t.typcollation,
        (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
        (select string_agg(concat_ws(' ', a.attname, a.atttypid, a.atttypmod), ',' order by a.attnum) from pg_attribute a
          where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0))
        from types k join pg_type t on t.oid = k.oid where t.oid >= 16384
      union all select p.root, concat_ws('|', 'policy', p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles, p.polqual::text)
        from policies p
      union all select f.root, concat_ws('|', 'function', to_jsonb(p)::text) from functions f join pg_proc p on p.oid = f.oid
        where f.oid >= 16384)
    select l.root, encode(sha256(convert_to(string_agg(l.line, e'\\n' order by l.line collate "C"), 'UTF8')), 'hex')
    from lines l group by l.root
  $$`,
  // The files of trees: moved by what writes a table anew behind every trigger.
  `create function selecto.changes_storages(p_root oid) returns table (root oid, storage text) language sql stable
    ${invoker} as $$
    select t.root, string_agg(concat_ws(':', t.member, pg_relation_filenode(t.member)), ',' order by t.member)
    from selecto.changes_trees(p_root) t group by t.root
  $$`,
  // What names mean and roles may do in this database, the columns of tables and our own schema left out.
  `create function selecto.changes_names() returns text language sql stable ${invoker} as $$
    with spaces as (
      select * from pg_namespace where nspname !~ '^pg_(temp|toast)' and nspname not in ('pg_catalog', 'information_schema', 'selecto')),
    lines (line) as (
      select concat_ws('|', 'schema', oid, nspname, nspacl) from spaces
      union all select concat_ws('|', 'relation', oid, relname, relnamespace, relkind, relrowsecurity, relacl) from pg_class
        where relkind in ('r', 'p', 'v', 'm', 'f') and relnamespace in (select oid from spaces)
      union all select concat_ws('|', 'view', ev_class, sha256(convert_to(ev_action::text, 'UTF8'))) from pg_rewrite
        where ev_class in (select oid from pg_class where relkind in ('v', 'm') and relnamespace in (select oid from spaces))
      union all select concat_ws('|', 'function', to_jsonb(f)::text) from pg_proc f where pronamespace in (select oid from spaces)
      union all select concat_ws('|', 'type', oid, typname, typnamespace, typtype, typbasetype, (
          select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = t.oid))
        from pg_type t where typtype in ('e', 'd', 'r', 'b') and typelem = 0 and typnamespace in (select oid from spaces)
      union all select concat_ws('|', 'operator', to_jsonb(o)::text) from pg_operator o where oprnamespace in (select oid from spaces)
      union all select concat_ws('|', 'cast', to_jsonb(c)::text) from pg_cast c where oid >= 16384
      union all select concat_ws('|', 'policy', polrelid, polname, polcmd, polpermissive, polroles, polqual::text) from pg_policy
      union all select concat_ws('|', 'setting', setrole, setconfig) from pg_db_role_setting
        where setdatabase in (0, (select oid from pg_database where datname = current_database()))
      union all select concat_ws('|', 'role', oid, rolname, rolsuper, rolinherit, rolbypassrls) from pg_roles
      union all select concat_ws('|', 'member', roleid, member) from pg_auth_members)
    select encode(sha256(convert_to(string_agg(line, e'\\n' order by line collate "C"), 'UTF8')), 'hex') from lines
  $$`,
  // What is not as it must be, root by root.
  `create function selecto.changes_drift() returns table (root oid, member oid, problem text) language sql stable
    ${invoker} as $$
    select r.root, r.root, 'gone' from selecto.changes_root r
      where r.root <> 0 and not exists (select from pg_class c where c.oid = r.root)
    union all select p.root, p.member, p.problem from selecto.changes_plan(null) p
    union all select coalesce(t.root, m.root), coalesce(t.member, m.member), case when m.member is null then 'new' else 'left' end
      from selecto.changes_trees(null) t full join (select y.root, y.member from selecto.changes_member y where y.root <> 0) m
        on m.root = t.root and m.member = t.member
      where (t.member is null or m.member is null) and exists (select from pg_class c where c.oid = coalesce(t.root, m.root))
    union all select r.root, i.inhparent, 'parent' from selecto.changes_root r join pg_inherits i on i.inhrelid = r.root
    union all select r.root, r.root, 'blind' from selecto.changes_root r left join selecto.changes_blindness(null) b on b.root = r.root
      where r.kind = 'table' and r.blind is distinct from b.why and exists (select from pg_class c where c.oid = r.root)
    union all select r.root, r.root, 'renamed' from selecto.changes_root r join pg_class c on c.oid = r.root
      join pg_namespace n on n.oid = c.relnamespace where r.name <> c.relname or r.schema <> n.nspname
    union all select r.root, r.root, 'altered' from selecto.changes_root r join selecto.changes_fingerprints(null) f on f.root = r.root
      where r.fingerprint <> f.fingerprint
    union all select r.root, r.root, 'rewritten' from selecto.changes_root r join selecto.changes_storages(null) f on f.root = r.root
      where r.storage <> f.storage and (select s.ddl = 'polling' from selecto.changes_state s where s.only_row)
    order by 1, 2
  $$`,
  // Forgets a root that is gone; arms one that is there, and takes it as it is now. What was derived before counts as stale.
  `create function selecto.changes_settle(p_root oid) returns text[] language plpgsql ${invoker} as $$
  declare done text[] := '{}';
  begin
    perform selecto.changes_touch(array[p_root]);
    if not exists (select from pg_class where oid = p_root) then
      delete from selecto.changes_trigger where root = p_root;
      delete from selecto.changes_need where root = p_root;
      delete from selecto.changes_member where root = p_root;
      delete from selecto.changes_root where root = p_root;
      return array[format('%s: is gone', p_root)];
    end if;
    done := selecto.changes_arm(p_root, true);
    update selecto.changes_root r set fingerprint = f.fingerprint, storage = s.storage, schema = n.nspname, name = c.relname
    from selecto.changes_fingerprints(p_root) f, selecto.changes_storages(p_root) s,
      pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = p_root and r.root = p_root;
    return done;
  end $$`,
  // Runs at the end of every DDL command. Touches no row that another transaction's DDL could wait for, unless something is amiss.
  `create function selecto.changes_ddl() returns event_trigger language plpgsql ${definer} as $$
  declare
    command record;
    touched oid[] := '{}';
    compare boolean := false;
    renamed boolean := false;
    parent oid;
  begin
    perform set_config('selecto.ddl_seen', 'on', true);
    if current_setting('selecto.arming', true) = 'on' then return; end if;
    -- In a copy of the database elsewhere the log has another oid, and ours are wrong.
    if not exists (select from selecto.changes_state where only_row and log_oid = 'selecto.changes_log'::regclass) then return; end if;
    for command in select * from pg_event_trigger_ddl_commands() loop
      if command.schema_name in ('pg_temp', 'selecto') then continue; end if;
      if command.command_tag in ('COMMENT', 'CREATE INDEX', 'ALTER INDEX', 'REINDEX', 'CREATE STATISTICS', 'ALTER STATISTICS',
        'CREATE TRIGGER', 'ALTER TRIGGER', 'CREATE SEQUENCE', 'ALTER SEQUENCE', 'CREATE PUBLICATION', 'ALTER PUBLICATION',
        'SECURITY LABEL') then continue; end if;
      if command.command_tag in ('CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION') then
        -- Where a subscription writes, only row triggers fire.
        for parent in select distinct p.root from selecto.changes_plan(null) p loop perform selecto.changes_arm(parent, true); end loop;
        continue;
      end if;
      if command.classid = 'pg_class'::regclass then
        if exists (select from selecto.changes_member where member = command.objid) then
          touched := touched || command.objid;
        elsif command.command_tag = 'REFRESH MATERIALIZED VIEW' then
          continue;
        end if;
        -- The tree may have grown or shrunk: at the object itself, or where it hangs now.
        for parent in select root from selecto.changes_member where member = command.objid and root <> 0
          union select m.root from pg_inherits i join selecto.changes_member m on m.member = i.inhparent where i.inhrelid = command.objid
        loop
          touched := touched || parent;
          if command.command_tag in ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER TABLE') then
            begin
              perform selecto.changes_arm(parent, false);
            exception when others then
              update selecto.changes_root set blind = sqlerrm where root = parent;
            end;
          end if;
        end loop;
        -- A tracked table that became a partition of one that is not.
        if command.command_tag = 'ALTER TABLE' then
          for parent in select r.root from selecto.changes_tree(command.objid) t join selecto.changes_root r on r.root = t.member
            where r.kind = 'table' and exists (select from pg_inherits i where i.inhrelid = r.root)
          loop
            touched := touched || parent;
            update selecto.changes_root set blind = (select why from selecto.changes_blindness(parent)) where root = parent;
          end loop;
        end if;
      elsif command.objid is null or exists (
        select from pg_depend d where d.refclassid = command.classid and d.refobjid = command.objid and d.deptype in ('n', 'a')) then
        compare := true;
      elsif command.classid = 'pg_policy'::regclass then
        touched := touched || (select polrelid from pg_policy where oid = command.objid);
      end if;
      renamed := renamed or command.command_tag <> 'REFRESH MATERIALIZED VIEW';
    end loop;
    if compare then
      touched := touched || array(select r.root from selecto.changes_root r join selecto.changes_fingerprints(null) f on f.root = r.root
        where r.fingerprint <> f.fingerprint);
    end if;
    if renamed then touched := touched || 0::oid; end if;
    perform selecto.changes_touch(touched);
  exception when others then
    -- Never in the way of the user's command: what cannot be followed makes everything stale.
    raise warning 'selecto could not follow this command: %. Run: selecto doctor', sqlerrm;
    begin
      perform selecto.changes_touch(array(select root from selecto.changes_root));
    exception when others then
      null; -- Without the log nothing can be told unchanged either.
    end;
  end $$`,
  `create function selecto.changes_dropped() returns event_trigger language plpgsql ${definer} as $$
  declare
    dropped record;
    touched oid[] := '{}';
    gone oid[] := '{}';
    holder oid;
  begin
    if current_setting('selecto.arming', true) = 'on' then return; end if;
    if not exists (select from selecto.changes_state where only_row and log_oid = 'selecto.changes_log'::regclass) then return; end if;
    for dropped in select * from pg_event_trigger_dropped_objects() loop
      if dropped.is_temporary or dropped.schema_name is not distinct from 'selecto' then continue; end if;
      if dropped.classid = 'pg_class'::regclass and dropped.objsubid = 0 then
        gone := gone || dropped.objid;
        touched := touched || 0::oid;
      elsif dropped.object_type in ('policy', 'trigger') and cardinality(dropped.address_names) = 3 then
        holder := to_regclass(format('%I.%I', dropped.address_names[1], dropped.address_names[2]));
        if dropped.object_type = 'policy' then touched := touched || holder || 0::oid; end if;
        if dropped.object_type = 'trigger' and dropped.address_names[3] like 'selecto\\_%' then
          touched := touched || holder;
          update selecto.changes_root set blind = format('a trigger on %s was dropped', holder::regclass)
          where root in (select root from selecto.changes_member where member = holder and root <> 0);
        end if;
      elsif dropped.object_type not in ('index', 'sequence', 'statistics object', 'default value', 'table constraint', 'rule') then
        touched := touched || 0::oid;
      end if;
    end loop;
    perform selecto.changes_touch(touched || gone);
    delete from selecto.changes_member where member = any (gone) and root <> member;
  exception when others then
    raise warning 'selecto could not follow this command: %. Run: selecto doctor', sqlerrm;
    begin
      perform selecto.changes_touch(array(select root from selecto.changes_root));
    exception when others then
      null;
    end;
  end $$`,
]
