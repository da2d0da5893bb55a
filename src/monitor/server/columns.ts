import type { Session } from "../../database/database.ts"
import type { NumberField } from "./field.ts"

/** Views whose columns differ between versions of the server, or of the extension. */
const views = [
  "pg_locks",
  "pg_replication_slots",
  "pg_stat_activity",
  "pg_stat_bgwriter",
  "pg_stat_checkpointer",
  "pg_stat_database",
  "pg_stat_io",
  "pg_stat_progress_vacuum",
  "pg_stat_statements",
  "pg_stat_statements_info",
  "pg_stat_user_indexes",
  "pg_stat_user_tables",
  "pg_stat_wal",
] as const

export type View = (typeof views)[number]

/** pg_stat_statements in this database; null where there is none. */
export interface StatementsExtension {
  /** Quoted. */
  readonly schema: string | null
  readonly installed: string | null
  /** The version that this server brings. */
  readonly available: string | null
}

/**
 * The columns that the views of this database have. The version of the extension decides, not that of the server: after an upgrade
 * without ALTER EXTENSION … UPDATE they differ.
 */
export class Columns {
  /** Schema of pg_stat_statements, quoted; null where the extension is not in this database. */
  readonly statementsSchema: string | null
  readonly extension: StatementsExtension
  readonly #columns: ReadonlyMap<string, ReadonlySet<string>>

  constructor(
    columns: ReadonlyMap<string, ReadonlySet<string>>,
    statementsSchema: string | null,
    versions: Omit<StatementsExtension, "schema">,
  ) {
    this.#columns = columns
    this.statementsSchema = statementsSchema
    this.extension = { ...versions, schema: statementsSchema }
  }

  has(view: View, column?: string): boolean {
    const columns = this.#columns.get(view)
    return columns !== undefined && (column === undefined || columns.has(column))
  }

  /** The first of these columns that there is, as a number; null in every row where there is none. */
  number(view: View, alias: string, ...names: readonly string[]): NumberField {
    const name = names.find((one) => this.has(view, one))
    return ["number", name === undefined ? "null" : `${alias}.${name}`]
  }

  /** A column's SQL, or null's where the view lacks it. */
  sql(view: View, alias: string, name: string): string {
    return this.has(view, name) ? `${alias}.${name}` : "null"
  }
}

const columnsSql = `select c.relname, quote_ident(n.nspname), a.attname
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind = 'v' and c.relname = any($1)
  and (n.nspname = 'pg_catalog' or exists (select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e' and e.extname = 'pg_stat_statements'))
/* selecto:monitor */`

const extensionSql = `select installed_version, default_version from pg_catalog.pg_available_extensions
where name = 'pg_stat_statements' /* selecto:monitor */`

/** Reads the columns once for a connection. */
export async function readColumns(session: Session, timeoutMs: number): Promise<Columns> {
  const { rows } = await session.queryText({ text: columnsSql, values: [views] }, { timeoutMs })
  const columns = new Map<string, Set<string>>()
  let schema: string | null = null
  for (const [view, namespace, column] of rows as [string, string, string][]) {
    if (view === "pg_stat_statements") schema = namespace
    const known = columns.get(view)
    if (known === undefined) columns.set(view, new Set([column]))
    else known.add(column)
  }
  const [extension] = (await session.queryText({ text: extensionSql, values: [] }, { timeoutMs })).rows
  return new Columns(columns, schema, { installed: extension?.[0] ?? null, available: extension?.[1] ?? null })
}
