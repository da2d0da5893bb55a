/** Tables of the change log. Written by our functions only; everything in them but the log is small. */
export const tables: readonly string[] = [
  // One row. `epoch` names one life of this state: what was derived under another one is stale. `log_oid`, `database_oid` and
  // `system_identifier` tell when the state was carried to another database or server. `ddl`: whether event triggers tell of every DDL command, or the catalog is looked at from
  // time to time; `events_since`: the transaction that made them.
  `create table selecto.changes_state (
    only_row boolean primary key default true check (only_row),
    epoch text not null default pg_catalog.gen_random_uuid()::text,
    log_oid oid not null,
    database_oid oid not null,
    system_identifier text,
    ddl text not null default 'polling' check (ddl in ('events', 'polling')),
    events_since xid8,
    names text not null default '',
    prune_xmin xid8,
    pruned_at timestamptz)`,
  // Insert-only. The xid is the top-level transaction's, so that it can be held against a pg_snapshot.
  `create table selecto.changes_log (relation oid not null, xid xid8 not null)
    with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000, autovacuum_analyze_scale_factor = 0.05)`,
  "create index changes_log_probe on selecto.changes_log (relation, xid)",
  // A relation with triggers, and with no parent. `logged`: its changes are in the log. `pruned`: the highest xid that was
  // pruned. `blind`: why changes cannot be known.
  // Root 0 stands for the catalog: the names and meanings that every statement depends on.
  `create table selecto.changes_root (
    root oid primary key,
    kind text not null check (kind in ('table', 'materialized view', 'catalog')),
    schema text not null,
    name text not null,
    logged boolean not null default false,
    pruned xid8 not null default '0',
    blind text,
    fingerprint text not null default '',
    storage text not null default '')`,
  // The root itself, its partitions and children. A child of two parents has two roots.
  "create table selecto.changes_member (member oid, root oid, primary key (member, root))",
  "create index changes_member_root on selecto.changes_member (root)",
  // Who asked for tracking, and for what.
  `create table selecto.changes_need (root oid, owner text, log boolean not null, notify boolean not null, keys text[] not null,
    primary key (root, owner))`,
  // Triggers that every member of a root must have.
  `create table selecto.changes_trigger (
    root oid, component text, set_name text, part text,
    events text[] not null, level text not null check (level in ('statement', 'row')), transition boolean not null,
    members text not null check (members in ('all', 'subscribed')), function text not null,
    primary key (root, component, set_name, part))`,
]

/** What the tables hold from the beginning. */
export const rows: readonly string[] = [
  `insert into selecto.changes_state (log_oid, database_oid)
    select 'selecto.changes_log'::regclass, oid from pg_catalog.pg_database where datname = pg_catalog.current_database()`,
  "insert into selecto.changes_root (root, kind, schema, name, logged) values (0, 'catalog', '', '', true)",
  "insert into selecto.changes_member values (0, 0)",
]
