import pg from "pg"
import { connect } from "../../src/client/connect.ts"
import type { Selecto } from "../../src/client/selecto.ts"
import { isSelectoError } from "../../src/errors.ts"
import type { ParallelReport } from "../../src/parallel/index.ts"
import { Dice, type RandomStatement, type Reading, randomStatement } from "./random-statement.ts"

export interface Differences {
  readonly statements: number
  /** Read by more than one session or in more than one part. */
  readonly split: number
  readonly refused: number
  readonly withRows: number
  /** Split statements by how they were divided and merged. */
  readonly ways: Readonly<Record<string, number>>
  readonly failures: readonly string[]
}

export interface DifferentialOptions {
  readonly url: string
  readonly seed: number
  readonly statements: number
  /** Ends earlier after this time. */
  readonly ms?: number
  /** Ends at the first difference. */
  readonly impatient?: boolean
}

/**
 * Random statements, each serially and in parallel in one snapshot, while a writer changes the tables all the time: one half in a
 * transaction of the caller's, one half with the writer kept out while both run.
 */
export async function differential(options: DifferentialOptions): Promise<Differences> {
  const dice = new Dice(options.seed)
  const pool = new pg.Pool({
    connectionString: options.url,
    max: 8,
    types: { getTypeParser: () => (text: unknown) => text } as never,
  })
  // The server may be stopped before the last socket has closed.
  pool.on("error", () => {})
  const selecto = connect(pool)
  const writer = new Writer(options.url)
  await writer.start()
  const found = { statements: 0, split: 0, refused: 0, withRows: 0, ways: {} as Record<string, number>, failures: [] as string[] }
  const end = performance.now() + (options.ms ?? Number.POSITIVE_INFINITY)
  try {
    while (found.statements < options.statements && performance.now() < end) {
      const statement = randomStatement(dice)
      const inside = dice.chance(0.5)
      if (!inside) await writer.pause()
      const outcome = inside
        ? await selecto.transaction((tx) => compare(tx, statement), { isolation: "repeatable read", readOnly: true })
        : await compare(selecto, statement)
      if (!inside) writer.resume()
      found.statements++
      if (outcome.rows > 0) found.withRows++
      if (outcome.report === null) found.refused++
      else if (outcome.report.parts > 1) {
        found.split++
        const way = `${outcome.report.partition?.replace(/ of .*| on .*/, "")}, ${outcome.report.merge}`
        found.ways[way] = (found.ways[way] ?? 0) + 1
      }
      if (outcome.failure !== null) {
        found.failures.push(
          `${outcome.failure}\n  ${statement.text}\n  ${JSON.stringify(statement.values)} ${JSON.stringify(statement.options)} ${inside ? "in a transaction" : ""}`,
        )
        if (options.impatient) break
      }
    }
  } finally {
    await writer.stop()
    await selecto.close()
    await pool.end()
  }
  return found
}

interface Outcome {
  readonly rows: number
  readonly report: ParallelReport | null
  readonly failure: string | null
}

async function compare(selecto: Selecto, statement: RandomStatement): Promise<Outcome> {
  const query = selecto.statement<Record<string, unknown>>(statement.text, statement.values)
  const serial = await query.run()
  try {
    const parallel = await query.parallel({ ...statement.options, where: "client" }).run()
    const report = parallel.report.parallel as ParallelReport
    const names = serial.columns.map(({ name, typeId }) => `${name} ${typeId}`).join()
    if (names !== parallel.columns.map(({ name, typeId }) => `${name} ${typeId}`).join())
      return { rows: serial.rows.length, report, failure: "other columns" }
    return { rows: serial.rows.length, report, failure: difference(serial.rows, parallel.rows, statement) }
  } catch (error) {
    const refused = isSelectoError(error, "E_PARALLEL_REFUSED") || isSelectoError(error, "E_UNKNOWN_FIELD")
    if (refused) return { rows: serial.rows.length, report: null, failure: null }
    const cause = (error as { cause?: { message?: string } }).cause?.message
    return { rows: 0, report: null, failure: `${(error as Error).message} ${cause ?? ""}` }
  }
}

function difference(
  serial: readonly Record<string, unknown>[],
  parallel: readonly Record<string, unknown>[],
  statement: RandomStatement,
): string | null {
  if (serial.length !== parallel.length) return `${serial.length} rows serially, ${parallel.length} in parallel`
  const read = (row: Record<string, unknown>): string =>
    JSON.stringify(Object.values(row).map((value, at) => meaning(value as string | null, statement.readings[at] ?? "text")))
  const one = serial.map(read)
  const other = parallel.map(read)
  if (!statement.ordered) {
    one.sort()
    other.sort()
  }
  const at = one.findIndex((row, index) => row !== other[index])
  return at < 0 ? null : `row ${at}: ${one[at]} serially, ${other[at]} in parallel`
}

/** Texts of values that are equal to PostgreSQL, as one text. */
function meaning(text: string | null, reading: Reading): string | null {
  if (text === null) return null
  switch (reading) {
    case "text":
      return text
    case "number":
      return text
        .replace(/^-0$/, "0")
        .replace(/(\.\d*?)0+$/, "$1")
        .replace(/\.$/, "")
    case "folded":
      return text.toLowerCase()
    case "json":
      return JSON.stringify(JSON.parse(text))
    case "interval": {
      const match = /^(?:(-?\d+) days?)? ?(?:(-?)(\d+):(\d+):(\d+(?:\.\d+)?))?$/.exec(text)
      if (match === null) return text
      const time = Number(match[3] ?? 0) * 3600 + Number(match[4] ?? 0) * 60 + Number(match[5] ?? 0)
      return String(Number(match[1] ?? 0) * 86_400 + (match[2] === "-" ? -time : time))
    }
  }
}

/** Changes, deletes and inserts rows all the time, so that two snapshots taken one after the other differ. */
class Writer {
  readonly #client: pg.Client
  #state: "running" | "pausing" | "paused" | "stopped" = "running"
  #loop: Promise<void> = Promise.resolve()
  #changes = 0

  constructor(url: string) {
    this.#client = new pg.Client({ connectionString: url })
  }

  async start(): Promise<void> {
    await this.#client.connect()
    this.#loop = this.#work()
  }

  /** Resolves when no change is under way. */
  async pause(): Promise<void> {
    this.#state = "pausing"
    while (this.#state === "pausing") await turn()
  }

  resume(): void {
    this.#state = "running"
  }

  async stop(): Promise<void> {
    this.#state = "stopped"
    await this.#loop
    await this.#client.end()
  }

  async #work(): Promise<void> {
    while (this.#state !== "stopped") {
      if (this.#state === "pausing") this.#state = "paused"
      if (this.#state === "running") await this.#change(this.#changes++)
      await turn()
    }
  }

  async #change(n: number): Promise<void> {
    await this.#client.query(
      `with gone as (delete from main where id % 997 = ${n % 997} returning *)
       insert into main select id, coalesce(k, 0) + 1 - 2 * (k % 2), small, big, n, f, t, tc, ti, c, vc, d, ts, tz, iv, j, b, u, by, e, arr, r, x, filler from gone`,
    )
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2))
}
