import type { Selecto } from "../../client/selecto.ts"
import { quoteQualified } from "../../sql/identifier.ts"
import type { RouteDecision } from "../../views/index.ts"
import { formatMs, indent, type Terminal, wrap } from "../terminal.ts"
import { type SalesQueries, salesView } from "./queries.ts"
import { measure, paint } from "./walk.ts"

/** Sums by region kept in a materialized view, and a question about one region that is answered by it without naming it. */
export async function viewChapter(
  selecto: Selecto,
  schema: string,
  { byRegion, oneRegion, code, questionCode }: SalesQueries,
  terminal: Terminal,
  say: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { bold, cyan, dim, green } = paint(terminal)
  const view = quoteQualified(schema, salesView)
  say(`${bold("▸ a materialized view that queries use by themselves")}\n`)
  say(indent(cyan(code)))
  const create = `create materialized view ${view} as\n${byRegion.toSql().text}`
  say(`\n${dim("is kept in a view")}\n${indent(wrap(create, terminal.width - 4))}`)
  terminal.progress("filling the view…")
  const session = await selecto.database.direct.acquire({ signal })
  try {
    for (const text of [create, `analyze ${view}`])
      await session.query({ text: `${text} /* selecto:tour */`, values: [] }, { signal })
  } finally {
    session.release()
  }
  const routed = oneRegion.route({ maxStaleness: Number.POSITIVE_INFINITY })
  terminal.progress("asking…")
  const plain = await oneRegion.run({ signal })
  const before = await measure(() => oneRegion.execute({ signal }))
  const { rows, report } = await routed.run({ signal })
  const after = await measure(() => routed.execute({ signal }))
  terminal.progress(null)
  say(`\n${dim("asked later, of the tables")}\n${indent(cyan(questionCode))}\n`)
  if (report.view === null) {
    const { reason, reasons } = report.route as RouteDecision
    say(`${indent(`It went to the tables: ${reason ?? reasons[0]?.reason ?? "no view applies"}.`)}\n`)
    return
  }
  const same = JSON.stringify(rows) === JSON.stringify(plain.rows)
  say(`${dim(`is answered by ${report.view}`)}\n${indent(wrap(report.sql, terminal.width - 4))}\n`)
  say(
    `  ${green(`${formatMs(before.ms)} → ${formatMs(after.ms)}`)} ${dim(`${same ? "the same rows" : "OTHER ROWS"}, median of ${before.runs} and ${after.runs} runs`)}\n`,
  )
}
