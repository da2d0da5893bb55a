import type { Database } from "../database/database.ts"
import { oidsOf } from "./relations.ts"
import type { RetryOptions } from "./retry.ts"
import { prepareRoot } from "./root.ts"
import { rootTransaction } from "./root-transaction.ts"
import { settle } from "./trigger-set.ts"

const rootsText = `
with recursive ancestors (oid) as (
  select $1::oid union select i.inhparent from ancestors a join pg_catalog.pg_inherits i on i.inhrelid = a.oid)
select pg_catalog.array_agg(a.oid order by a.oid)::text as roots from ancestors a
where not exists (select from pg_catalog.pg_inherits i where i.inhrelid = a.oid) /* selecto:changes */`

/** What the old root had goes to the new one; what both have is merged. */
const moves: readonly string[] = [
  `insert into selecto.changes_need select $2, n.owner, n.log, n.notify, n.keys from selecto.changes_need n where n.root = $1
   on conflict (root, owner) do update set log = changes_need.log or excluded.log, notify = changes_need.notify or excluded.notify,
     keys = changes_need.keys || excluded.keys`,
  `insert into selecto.changes_trigger select $2, t.component, t.set_name, t.part, t.events, t.level, t.transition, t.members, t.function
   from selecto.changes_trigger t where t.root = $1 on conflict do nothing`,
  `update selecto.changes_root n set logged = n.logged or o.logged from selecto.changes_root o where n.root = $2 and o.root = $1`,
]

const forgets = ["changes_need", "changes_trigger", "changes_member", "changes_root"]

/**
 * A tracked table that has become a partition or child: what is written through its new ancestors fires none of its triggers, so the
 * tracking goes up to the top of the tree.
 */
export async function adopt(database: Database, root: number, options: RetryOptions): Promise<string[]> {
  return await rootTransaction(database, root, options, async (session, query) => {
    const run = (text: string, values: readonly unknown[]): ReturnType<typeof session.queryText> =>
      session.queryText({ text: `${text} /* selecto:changes */`, values }, query)
    const above = oidsOf((await run(rootsText, [root])).rows[0]![0]!)
    for (const one of above) {
      await prepareRoot(session, one, query)
      for (const text of moves) await run(text, [root, one])
    }
    for (const table of forgets) await run(`delete from selecto.${table} where root = $1`, [root])
    const done: string[] = []
    for (const one of above) done.push(...(await settle(session, one, query)))
    return done
  })
}
