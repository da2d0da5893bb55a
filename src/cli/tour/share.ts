import type { Selecto } from "../../client/selecto.ts"
import type { ParallelOptions, ParallelReport } from "../../parallel/index.ts"
import { formatMs, indent, type Terminal, table, wrap } from "../terminal.ts"
import type { TourQuery } from "./queries.ts"
import { type Measured, measure, paint } from "./walk.ts"

/** One question asked by one session, by PostgreSQL's own workers and by two sessions; what is left to the library is told with its reason. */
export async function share(
  selecto: Selecto,
  terminal: Terminal,
  say: (text: string) => void,
  { title, code, query }: TourQuery,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { bold, cyan, dim } = paint(terminal)
  const width = terminal.width - 4
  say(`${bold(`▸ ${title}`)}\n`)
  say(indent(cyan(code)))
  terminal.progress("sharing the work…")
  const run = async (options: ParallelOptions): Promise<{ rows: unknown; report: ParallelReport }> => {
    const { rows, report } = await query.parallel({ workers: 2, ...options }).run({ signal })
    return { rows, report: report.parallel as ParallelReport }
  }
  const { sessions } = await selecto.capabilities()
  if (sessions === "one") {
    const { report } = await run({})
    terminal.progress(null)
    say(`\n${indent(dim("report.parallel"))}\n${indent(wrap(`${report.chosen}: ${report.why}`, width))}`)
    say(
      `\n${indent(wrap("On a server of yours (--database-url) this chapter measures whether sharing pays, and shows that the rows are the same.", width))}\n`,
    )
    return
  }
  const alone = await query.execute({ signal })
  const ways: { readonly name: string; readonly options: ParallelOptions | null }[] = [
    { name: "one session", options: null },
    { name: "PostgreSQL's own workers", options: { where: "server" } },
    { name: "two sessions, one snapshot", options: { where: "client" } },
  ]
  const measured: { name: string; taken: Measured; how: string }[] = []
  let same = true
  for (const { name, options } of ways) {
    let how = "as it is"
    const taken = await measure(async () => {
      if (options === null) return query.execute({ signal })
      const { rows, report } = await run(options)
      same &&= JSON.stringify(sorted(rows)) === JSON.stringify(sorted(alone))
      how = howOf(report)
    })
    measured.push({ name, taken, how })
  }
  // The first runs are for the choice to learn what they take.
  let chosen = await run({})
  for (let again = 0; again < 3; again++) chosen = await run({})
  terminal.progress(null)
  const rows = measured.map(({ name, taken, how }) => [name, formatMs(taken.ms), how])
  say(`\n${indent(table(["who", "took", "how"], rows, width))}`)
  say(`\n${indent(same ? "The rows are the same every time." : "The rows differ: please report this.")}`)
  const verdict = verdictOf(measured.map(({ taken }) => taken.ms))
  say(`\n${indent(wrap(verdict, width))}`)
  const { chosen: choice, why } = chosen.report
  say(
    `\n${indent(wrap(`Left to the library, .parallel({ workers: 2 }): ${choice === "none" ? "one session" : choice}, because ${why}.`, width))}\n`,
  )
}

/** What the figures say, where they differ by more than the noise of a machine. */
function verdictOf(times: readonly number[]): string {
  const [alone, workers, sessions] = times as [number, number, number]
  if (sessions < Math.min(alone, workers) * 0.8) return "Two sessions were the fastest here."
  if (workers < alone * 0.8) return "Splitting did not pay here: PostgreSQL's own workers share the same work and set up less."
  return "Sharing did not pay here: the statement is too short, or its work cannot be cut."
}

function howOf({ chosen, launched, planned, workers, parts, partition, why }: ParallelReport): string {
  if (chosen === "server") return `${launched ?? "?"} of ${planned ?? "?"} planned workers seen`
  return chosen === "client" ? `${workers} sessions, ${parts} parts: ${partition}` : why
}

/** Groups come in any order. */
function sorted(rows: unknown): string[] {
  return (rows as unknown[]).map((row) => JSON.stringify(row)).sort()
}
