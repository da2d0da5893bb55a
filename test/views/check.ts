/**
 * `npm run check:views`: the random differential check of the view matcher at length. 20,000 pairs by default; SELECTO_PAIRS,
 * SELECTO_DATABASES, SELECTO_SEED and SELECTO_FOCUS (a form of views) change that. With SELECTO_URL it runs on that server (an empty database!), else on one of its own.
 * Exits 1 on a mistake, or when too little was rewritten or compared.
 */
import pg from "pg"
import { openDatabase } from "../../src/database/open.ts"
import { startServer, urlOf } from "../support/server.ts"
import { type Mistake, runDifferential, told } from "./differential.ts"

const pairs = Number(process.env.SELECTO_PAIRS ?? 20_000)
const databases = Number(process.env.SELECTO_DATABASES ?? 4)
const seed = Number(process.env.SELECTO_SEED ?? 1)
const untilFirst = process.env.SELECTO_UNTIL_FIRST !== undefined
const server = process.env.SELECTO_URL === undefined ? await startServer(Number(process.env.SELECTO_VERSION ?? 18)) : null
const url = process.env.SELECTO_URL ?? urlOf(server!, "postgres")
const client = new pg.Client({ connectionString: url })
const db = openDatabase(url)
let failed = true
try {
  await client.connect()
  let shown = 0
  let printed = 0
  const figures = await runDifferential(client, db, {
    seed,
    pairs,
    databases,
    focus: process.env.SELECTO_FOCUS,
    enough: (soFar) => {
      for (; printed < Math.min(5, soFar.mistakes.length); printed++) console.log(mistakeText(soFar.mistakes[printed]!))
      if (soFar.pairs - shown >= 1000) {
        shown = soFar.pairs
        console.log(told(soFar))
      }
      return untilFirst && soFar.mistakes.length > 0
    },
  })
  console.log(told(figures))
  failed = figures.mistakes.length > 0 || figures.rewritten < figures.pairs * 0.2 || figures.filled < figures.runs * 0.6
} finally {
  await db.close()
  await client.end()
  await server?.stop()
}
process.exit(failed ? 1 : 0)

function mistakeText({ schema, view, query, rewriting, difference, data }: Mistake): string {
  return `\n${difference}\nschema: ${schema}\nview: ${view}\nquery: ${query}\nrewriting: ${rewriting}\ndata: ${data}`
}
