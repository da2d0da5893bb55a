import type { Component } from "./migration.ts"
import { ddl } from "./schema-ddl.ts"
import { since } from "./schema-since.ts"
import { rows, tables } from "./schema-tables.ts"
import { triggers } from "./schema-triggers.ts"

/** Only these may be called by whoever may use the schema; the rest is for its owner. */
const forAll = ["selecto.changes_since(oid[], text)", "selecto.changes_mark()"]

/** What this room keeps in schema `selecto`. */
export const changesComponent: Component = {
  name: "changes",
  migrations: [
    {
      name: "change log",
      statements: [
        ...tables,
        ...since,
        ...triggers,
        ...ddl,
        ...rows,
        `do $$ declare f regprocedure; begin
          for f in select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
            where n.nspname = 'selecto' and p.proname like 'changes\\_%'
          loop execute pg_catalog.format('revoke execute on function %s from public', f); end loop; end $$`,
        `grant execute on function ${forAll.join(", ")} to public`,
      ],
    },
  ],
}
