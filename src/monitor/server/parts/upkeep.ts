import type { RowOf } from "../field.ts"
import type { Part } from "./part.ts"

const wraparound = {
  database: ["text", "d.datname"],
  age: ["number", "age(d.datfrozenxid)"],
  multixactAge: ["number", "mxid_age(d.datminmxid)"],
} as const

export type WraparoundRow = RowOf<typeof wraparound>

/** How far each database is from running out of transaction ids: one that is forgotten stops the whole server. */
export const wraparoundPart: Part<readonly WraparoundRow[]> = {
  every: 1,
  read: (reader) => reader.rows(wraparound, "from pg_catalog.pg_database d order by 2 desc limit 20"),
}

const progress = {
  table: ["text", "p.relid::regclass"],
  phase: ["text", "p.phase"],
  blocks: ["number", "p.heap_blks_total"],
  scanned: ["number", "p.heap_blks_scanned"],
  vacuumed: ["number", "p.heap_blks_vacuumed"],
} as const

export type VacuumProgressRow = RowOf<typeof progress>

/** What is being vacuumed now in this database. */
export const vacuumProgressPart: Part<readonly VacuumProgressRow[]> = {
  every: 1,
  read: (reader) => reader.rows(progress, "from pg_catalog.pg_stat_progress_vacuum p where p.datname = current_database()"),
}

const sequences = {
  schema: ["text", "s.schemaname"],
  name: ["text", "s.sequencename"],
  last: ["number", "s.last_value"],
  max: ["number", "s.max_value"],
  increment: ["number", "s.increment_by"],
  cycles: ["text", "s.cycle"],
  /** Columns that take their values from it, with their types: a sequence of bigint is no help to a column of integer. */
  columns: [
    "list",
    `array(select format('%s.%s %s', d.refobjid::regclass, a.attname, format_type(a.atttypid, null))
    from pg_catalog.pg_depend d join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and d.objid = c.oid and d.deptype in ('a', 'i') and d.refobjsubid > 0)`,
  ],
  readable: ["text", "has_sequence_privilege(c.oid, 'select')"],
} as const

export type SequenceRow = RowOf<typeof sequences>

/** Sequences and what is left of them. `last` is null where nothing was taken, or where this role may not see it. */
export const sequencesPart: Part<readonly SequenceRow[]> = {
  every: 10,
  read: (reader) =>
    reader.rows(
      sequences,
      `from pg_catalog.pg_sequences s join pg_catalog.pg_namespace n on n.nspname = s.schemaname
       join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = s.sequencename and c.relkind = 'S'`,
    ),
}
