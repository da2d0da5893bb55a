import { PGlite } from "@electric-sql/pglite"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { loadShapes } from "../../src/sql/index.ts"
import { type Library, readLibrary } from "../../src/views/library.ts"
import { type Facts, factsOf } from "../../src/views/match/logic/facts.ts"
import { openedShape, readStatement } from "../../src/views/match/read-statement.ts"
import { newWorld } from "../../src/views/match/world.ts"
import { randomOf } from "../support/random.ts"
import { condition, type Typed } from "./generate.ts"
import { pickOf } from "./random-data.ts"

let pglite: PGlite
let db: Database
let library: Library

const domains: Record<string, { readonly type: string; readonly values: readonly string[] }> = {
  i: { type: "int", values: ["null", "0", "1", "2", "3", "4"] },
  j: { type: "int not null", values: ["0", "1", "2", "3", "4"] },
  n: { type: "numeric(4,1)", values: ["null", "1", "1.5", "2", "2.5", "3"] },
  t: { type: "text", values: ["null", "'a'", "'b'", "'ab'", "'EU'", "'x'"] },
  d: {
    type: "date",
    values: ["null", "'2025-01-01'", "'2025-01-15'", "'2025-01-31'", "'2025-02-01'", "'2025-03-01'", "'2025-12-31'"],
  },
  s: {
    type: "timestamp",
    values: [
      "null",
      "'2025-01-01'",
      "'2025-01-01 12:30'",
      "'2025-01-31 23:59:59.999999'",
      "'2025-02-01'",
      "'2025-02-01 00:00:00.000001'",
    ],
  },
  b: { type: "boolean", values: ["null", "true", "false"] },
}

const columns: readonly Typed[] = [
  { text: "a.i", type: "int", notNull: false },
  { text: "a.j", type: "int", notNull: true },
  { text: "a.n", type: "numeric(10,2)", notNull: false },
  { text: "a.t", type: "text", notNull: false },
  { text: "a.d", type: "date", notNull: false },
  { text: "a.s", type: "timestamp", notNull: false },
  { text: "a.b", type: "boolean", notNull: false },
]

beforeAll(async () => {
  await loadShapes()
  pglite = await PGlite.create()
  await pglite.exec(`create table grid (${Object.entries(domains).map(([name, { type }]) => `${name} ${type}`)})`)
  const random = randomOf(7)
  const rows = Array.from({ length: 4000 }, () => `(${Object.values(domains).map(({ values }) => pickOf(random, values))})`)
  await pglite.exec(`insert into grid values ${rows.join(", ")}`)
  db = openDatabase(pglite)
  library = await readLibrary(db)
})

afterAll(async () => {
  await db.close()
  await pglite.close()
})

/** Conditions as facts, and further ones in the same terms. */
async function read(
  known: readonly string[],
  further: readonly string[],
): Promise<{ facts: Facts; goals: Facts["conditions"] } | null> {
  const world = newWorld(library.types)
  const all = [...known.map((one) => `(${one})`), ...further.map((one) => `(${one})`)]
  const select = `select ${all.map((one, at) => `${one} as x${at}`).join(", ")} from grid a`
  const query = readStatement(await openedShape(select, library), library, world)
  if (typeof query === "string" || query.kind !== "select") return null
  const conditions = query.output.map((column) => column.expression)
  const facts = factsOf(conditions.slice(0, known.length), { world, padded: new Set(), parameters: new Map(), zone: "UTC" })
  return { facts, goals: conditions.slice(known.length) }
}

async function counterexamples(known: readonly string[], goal: string): Promise<number> {
  const where = [...known.map((one) => `(${one})`), `((${goal}) is not true)`].join(" and ")
  return Number((await pglite.query<{ n: number }>(`select count(*)::int as n from grid a where ${where}`)).rows[0]!.n)
}

const seed = Number(process.env.SELECTO_SEED ?? 1)

test("what is proved holds for every row, on random conditions with NULLs", async () => {
  const random = randomOf(seed)
  let asked = 0
  let proved = 0
  let holding = 0
  const until = Date.now() + Number(process.env.SELECTO_PROVE_MS ?? 15_000)
  while (Date.now() < until) {
    const some = columns.filter(() => random() < 0.4)
    if (some.length === 0) continue
    const known = Array.from({ length: 1 + Math.floor(random() * 3) }, () => condition(some, random))
    // A goal near what is known is implied more often than one out of the blue.
    const near = pickOf(random, known)
    const goals = [
      condition(some, random),
      `(${near} or ${condition(some, random)})`,
      `(${near}) is not false`,
      near.replace(/\b2\b/, pickOf(random, ["1", "2", "3"])).replace(/ (<|>) /, " $1= "),
      `not (${condition(some, random)})`,
    ]
    const made = await read(known, goals)
    if (made === null) continue
    for (const [at, goal] of goals.entries()) {
      asked++
      const left = await counterexamples(known, goal)
      if (left === 0) holding++
      if (!made.facts.implies(made.goals[at]!)) continue
      proved++
      expect(left, `${known.join(" AND ")} does not imply ${goal}`).toBe(0)
    }
    if (made.facts.impossible()) expect(await counterexamples(known, "false"), known.join(" AND ")).toBe(0)
  }
  console.log(`proofs, seed ${seed}: ${asked} asked, ${proved} proved, ${holding} hold on the rows at hand`)
  expect(proved).toBeGreaterThan(asked / 5)
  expect(proved).toBeGreaterThan(holding / 2)
})

test("implications that people rely on are found", async () => {
  const implied: readonly (readonly [known: string, goal: string])[] = [
    ["a.i = 5", "a.i > 3"],
    ["a.i > 3", "a.i >= 4"],
    ["a.i between 1 and 3", "a.i in (1, 2, 3)"],
    ["a.i in (1, 2)", "a.i in (1, 2, 3)"],
    ["a.i + 1 > 5", "a.i > 4"],
    ["a.i = a.j and a.j > 2", "a.i > 1"],
    ["a.i < a.j and a.j < 3", "a.i < 2"],
    ["(a.i > 5) is not false", "a.i > 5 or a.i is null"],
    ["a.t <> 'EU'", "a.t is distinct from 'EU'"],
    ["a.t = 'EU-W1'", "a.t like 'EU%'"],
    ["a.t like 'EU-W%'", "a.t like 'EU%'"],
    ["(a.i = 5 and a.t = 'x') or a.i = 7", "a.i > 1 and a.i < 10"],
    ["a.d >= '2025-01-01' and a.d <= '2025-01-31'", "a.d < '2025-02-01'"],
    ["date_trunc('month', a.s) = '2025-01-01'", "a.s >= '2025-01-01' and a.s < '2025-02-01'"],
    ["a.s >= '2025-01-15'", "date_trunc('month', a.s) >= '2025-01-01'"],
    ["extract(year from a.d) = 2025", "a.d between '2025-01-01' and '2025-12-31'"],
    ["a.s::date = '2025-01-31'", "a.s < '2025-02-01'"],
    ["a.b", "a.b is not null"],
    ["not a.b", "a.b is false"],
    ["a.i > 1", "coalesce(a.i > 1, false)"],
    ["a.n > 2.5", "a.n > 2"],
    ["a.i = 2", "a.i::numeric < 2.5"],
    ["a.i > a.n", "a.i is not null and a.n is not null"],
  ]
  const refused: readonly (readonly [known: string, goal: string])[] = [
    ["a.i >= 5", "a.i > 5"],
    ["a.n > 2", "a.n >= 3"],
    ["a.s > '2024-12-31'", "a.s >= '2025-01-01'"],
    ["a.t is not null", "a.t = 'EU'"],
    ["a.i <> 2", "a.i > 2"],
    ["a.i is distinct from 2", "a.i <> 2"],
    ["a.t < 'b'", "a.t < 'c'"],
    ["a.t like '%EU'", "a.t like 'EU%'"],
    ["(a.i > 5) is not true", "a.i <= 5"],
    ["date_trunc('week', a.s) = '2025-01-06'", "a.s < '2025-01-10'"],
  ]
  for (const [known, goal] of implied) {
    const made = await read([known], [goal])
    expect(made!.facts.implies(made!.goals[0]!), `${known} implies ${goal}`).toBe(true)
  }
  for (const [known, goal] of refused) {
    const made = await read([known], [goal])
    expect(made!.facts.implies(made!.goals[0]!), `${known} does not imply ${goal}`).toBe(false)
  }
})
