/** How a function of ours must be made: as its owner, and with nothing on the search path that anybody else can write to. */
export const definer = "security definer set search_path = pg_catalog, pg_temp"
/** The same for what runs with the rights of its caller. Compiling a question to the catalog takes a hundred times as long as answering it. */
export const invoker = "set search_path = pg_catalog, pg_temp set jit = off"

/**
 * Reading the log. A mark is `epoch/timeline/snapshot`: 36 characters, 8 characters, and a pg_snapshot.
 *
 * On a standby there is no mark, and everything counts as changed: its snapshots do not list the transactions under way
 * (pg_current_snapshot() leaves them out there).
 */
export const since: readonly string[] = [
  // Where a service has taken these functions away, fail-over is noticed by identity() only. Volatile, so that it is inlined.
  `do $do$
  begin
    perform pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn());
    execute $sql$create function selecto.changes_timeline() returns text language sql volatile parallel safe
      as 'select pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)'$sql$;
  exception when insufficient_privilege or feature_not_supported or undefined_function then
    execute $sql$create function selecto.changes_timeline() returns text language sql volatile parallel safe
      as 'select text ''00000000'''$sql$;
  end $do$`,
  `create function selecto.changes_mark() returns text language plpgsql stable parallel safe ${definer} as $$
  begin
    if pg_is_in_recovery() then return null; end if;
    return (select epoch || '/' || selecto.changes_timeline() || '/' || pg_current_snapshot()::text
      from selecto.changes_state where only_row);
  end $$`,
  `create function selecto.changes_tree(p_root oid) returns table (member oid) language sql stable parallel safe
    ${invoker} as $$
    with recursive tree (oid) as (
      select p_root union select i.inhrelid from pg_inherits i join tree t on i.inhparent = t.oid)
    select c.oid from tree join pg_class c using (oid) where c.relpersistence <> 't'
  $$`,
  // True where a trigger may be missing: the tree is not the one that was armed.
  `create function selecto.changes_tree_moved(p_root oid) returns boolean language plpgsql stable parallel safe
    ${invoker} as $$
  begin
    if exists (select from pg_inherits where inhrelid = p_root) then return true; end if;
    if not exists (select from pg_inherits where inhparent = p_root) then
      return exists (select from selecto.changes_member where root = p_root and member <> p_root);
    end if;
    return exists (select from (select member from selecto.changes_tree(p_root)) t
      full join (select member from selecto.changes_member where root = p_root) m using (member)
      where t.member is null or m.member is null);
  end $$`,
  `create function selecto.changes_since(p_relations oid[], p_mark text) returns boolean language plpgsql stable parallel safe
    ${definer} set enable_seqscan = off as $$
  declare
    polling boolean;
    before pg_snapshot;
    present pg_snapshot;
    oldest xid8;
    newer xid8;
    running xid8[];
    wanted oid;
    roots oid[];
    highest xid8;
    sound boolean;
  begin
    if p_relations is null or p_mark is null or pg_is_in_recovery() then return true; end if;
    select ddl = 'polling' into polling from selecto.changes_state
    where only_row and epoch || '/' || selecto.changes_timeline() = substr(p_mark, 1, 45)
      and log_oid = 'selecto.changes_log'::regclass;
    if not found then return true; end if;
    before := substr(p_mark, 47)::pg_snapshot;
    present := pg_current_snapshot();
    oldest := pg_snapshot_xmin(before);
    newer := pg_snapshot_xmax(before);
    -- A snapshot older than the mark does not see all that the mark has seen.
    if pg_snapshot_xmin(present) < newer then
      if newer > pg_snapshot_xmax(present) then return true; end if;
      if exists (select from pg_snapshot_xip(present) x where pg_visible_in_snapshot(x, before)) then return true; end if;
    end if;
    if oldest < newer then running := array(select pg_snapshot_xip(before)); end if;
    foreach wanted in array p_relations loop
      select pruned, logged and blind is null into highest, sound from selecto.changes_root where root = wanted;
      if not found then
        -- A partition or child: what is written through any of its ancestors counts.
        roots := array(select root from selecto.changes_member where member = wanted);
        if cardinality(roots) = 0 or selecto.changes_since(roots, p_mark) then return true; end if;
        continue;
      end if;
      if not sound or highest >= oldest then return true; end if;
      if exists (select from selecto.changes_log where relation = wanted and xid >= newer) then return true; end if;
      if running is not null
        and exists (select from selecto.changes_log where relation = wanted and xid = any (running)) then return true; end if;
      if polling and wanted <> 0 and selecto.changes_tree_moved(wanted) then return true; end if;
    end loop;
    return false;
  end $$`,
]
