import type { QueryOptions, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { quoteIdentifier, quoteLiteral } from "../sql/identifier.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"

/** Values of one column in a notice; where there are more, the column is left out. */
const maxValues = 20
/** Changed rows that are looked at; a statement that changes more says nothing of keys. */
const maxRows = 1000
/** Notices with keys in one transaction; what follows says nothing of keys, and all of it is folded into one notice. */
const maxNotices = 32
/** PostgreSQL takes payloads below 8000 bytes. */
const maxBytes = 7000

/** Types whose text is the same for equal values, whatever the settings of the session are. */
const keyTypes = ["int2", "int4", "int8", "uuid", "bool", "text", "varchar"]

const columnsText = `
with recursive base (attnum, name, oid, coll) as (
  select a.attnum, a.attname, a.atttypid, a.attcollation from pg_catalog.pg_attribute a
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
  union all select b.attnum, b.name, t.typbasetype, b.coll from base b join pg_catalog.pg_type t on t.oid = b.oid
    where t.typtype = 'd')
select b.name::text as name, case t.typtype when 'e' then 'enum' else t.typname::text end as type,
  coalesce((select l.collisdeterministic from pg_catalog.pg_collation l where l.oid = b.coll), true) as deterministic
from base b join pg_catalog.pg_type t on t.oid = b.oid where t.typtype <> 'd' order by b.attnum /* selecto:changes */`

/** Refuses key columns that are not there, or whose values their text does not tell. Error: E_INVALID_OPTION. */
export async function checkKeys(
  session: Session,
  relation: { readonly oid: number; readonly name: string },
  keys: readonly string[],
  options: QueryOptions,
): Promise<void> {
  if (keys.length === 0) return
  const { rows } = await session.query<{ name: string; type: string; deterministic: boolean }>(
    { text: columnsText, values: [relation.oid] },
    options,
  )
  for (const key of keys) {
    const column = rows.find(({ name }) => name === key)
    const suggestions = suggestionsFor(
      key,
      rows.map(({ name }) => name),
    )
    const why =
      column === undefined
        ? `${relation.name} has no column ${key}.${didYouMean(suggestions)}`
        : column.type !== "enum" && !keyTypes.includes(column.type)
          ? `${key} is of type ${column.type}, where equal values can have several texts. Keys are of type smallint, integer, bigint, uuid, boolean, text, varchar or an enum.`
          : column.deterministic
            ? null
            : `The collation of ${key} takes different texts for equal, so it cannot be a key.`
    if (why !== null) throw new SelectoError("E_INVALID_OPTION", why, { path: `keys of ${relation.name}`, suggestions })
  }
}

/**
 * The body of a trigger function that tells which values of some columns a statement has changed. It says nothing of keys where there
 * are too many, and when anything goes wrong (a column that was renamed since): it is never in the way of a write.
 *
 * @example keysBody(["customer_id"])  // notices like: 16385 731 {"customer_id": ["7", "8"]}
 */
export function keysBody(columns: readonly string[]): string {
  const list = columns.map(quoteIdentifier).join(", ")
  const values = columns.map(
    (column) => `${quoteLiteral(column)}, (select case when count(*) <= ${maxValues} then jsonb_agg(d.v) end from (
            select distinct r.${quoteIdentifier(column)}::text from changed r limit ${maxValues + 1}) d (v))`,
  )
  const branch = (source: string): string => `
      n := (select count(*) from (select from ${source} r limit ${maxRows + 1}) c);
      if n between 1 and ${maxRows} then
        with changed as (select ${list} from ${source} r)
        select nullif(jsonb_strip_nulls(jsonb_build_object(${values.join(", ")})), '{}') into keys;
      end if;`
  return `
declare
  n integer := 1;
  told integer;
  keys jsonb;
begin
  if pg_current_xact_id_if_assigned() is null then return null; end if;
  begin
    if tg_op = 'INSERT' then${branch("new_rows")}
    elsif tg_op = 'DELETE' then${branch("old_rows")}
    else${branch(`(select ${list} from old_rows union all select ${list} from new_rows)`)}
    end if;
    if keys is not null then
      told := coalesce(nullif(current_setting('selecto.told', true), ''), '0')::integer;
      if told >= ${maxNotices} or octet_length(keys::text) > ${maxBytes} then keys := null;
      else perform set_config('selecto.told', (told + 1)::text, true);
      end if;
    end if;
  exception when others then
    n := 1;
    keys := null;
  end;
  if n = 0 then return null; end if;
  perform pg_notify('selecto_changes', coalesce(tg_argv[0], tg_relid::text) || ' ' || pg_current_xact_id()::text
    || coalesce(' ' || keys::text, ''));
  return null;
end`
}
