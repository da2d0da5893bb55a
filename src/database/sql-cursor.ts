import type { Cursor, CursorOptions, Session, Statement } from "./database.ts"

/** A {@link Cursor} of SQL's own, by DECLARE and FETCH, for drivers whose sessions give no portals to hold open. */
export async function sqlCursor(
  session: Pick<Session, "batch" | "queryText">,
  name: string,
  statement: Statement,
  options: CursorOptions,
): Promise<Cursor> {
  const fetch = (count: number): Statement => ({
    text: `fetch forward ${Math.trunc(count)} from ${name} /* selecto:database */`,
    values: [],
  })
  // A line comment at the end of the text must not swallow what follows, so nothing does.
  const declare = { text: `declare ${name} no scroll cursor for ${statement.text}`, values: statement.values }
  const opening = [...(options.before ?? []), declare, fetch(Math.max(1, options.prefetch ?? 1))]
  const first = (await session.batch(opening, options)).at(-1)!
  let ready = first.rows
  let open = true
  let usable = true
  return {
    fields: first.fields,
    read: async (count) => {
      if (!open) return []
      if (ready.length >= count) return ready.splice(0, count)
      const before = ready
      ready = []
      usable = false
      const { rows } = await session.queryText(fetch(count - before.length), options)
      usable = true
      return [...before, ...rows]
    },
    close: async () => {
      // A failed transaction has closed its cursors.
      if (open && usable) await session.queryText({ text: `close ${name} /* selecto:database */`, values: [] })
      open = false
    },
  }
}
