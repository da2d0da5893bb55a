import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

const source = fileURLToPath(new URL("../../src", import.meta.url))

/** What each room may import, beside errors.ts and units.ts, which are for all. Features never import one another. */
const base = ["sql", "database"]
const feature = [...base, "explain", "execution", "changes"]
const allowed: Record<string, readonly string[]> = {
  domain: ["sql"],
  query: ["domain", "sql"],
  sql: [],
  database: ["sql"],
  execution: base,
  changes: base,
  explain: base,
  hints: feature,
  indexes: feature,
  parallel: feature,
  views: feature,
  cache: feature,
  monitor: feature,
  vitest: ["explain"],
}
/** Type-only imports that tie the builder's interface to what running it gives back. */
const typesOnly: Record<string, readonly string[]> = {
  query: ["database", "execution", "explain", "indexes", "hints", "parallel", "views", "cache"],
}

interface Import {
  readonly file: string
  readonly room: string
  readonly target: string
  readonly typeOnly: boolean
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(folder, file))
}

function importsOf(file: string, text: string): Import[] {
  const room = relative(source, file).split("/")[0]!
  const found: Import[] = []
  for (const match of text.matchAll(/^(import|export)\s+(type\s)?[^"'`;]*?from\s+"(\.[^"]+)"|import\(\s*"(\.[^"]+)"\s*\)/gms)) {
    const target = relative(source, resolve(dirname(file), match[3] ?? match[4]!)).split("/")
    if (target.length > 1)
      found.push({ file: relative(source, file), room, target: target[0]!, typeOnly: match[2] !== undefined })
  }
  return found
}

function violations(imports: readonly Import[]): string[] {
  return imports
    .filter(({ room, target, typeOnly }) => {
      if (room === target || allowed[room] === undefined) return false
      return !(allowed[room].includes(target) || (typeOnly && typesOnly[room]?.includes(target)))
    })
    .map(({ file, target }) => `${file} imports ${target}/`)
}

test("imports go one way", () => {
  const imports = filesUnder(source).flatMap((file) => importsOf(file, readFileSync(file, "utf8")))
  expect(imports.length).toBeGreaterThan(100)
  expect(violations(imports)).toEqual([])
})

test("an import that goes the other way is noticed", () => {
  const text = 'import { connect } from "../client/connect.ts"\nimport type { Plan } from "../explain/plan.ts"\n'
  expect(violations(importsOf(join(source, "query/x.ts"), text))).toEqual(["query/x.ts imports client/"])
  expect(violations(importsOf(join(source, "hints/x.ts"), 'import { advise } from "../indexes/advise.ts"'))).toEqual([
    "hints/x.ts imports indexes/",
  ])
})

test("every room has a README", () => {
  const rooms = readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const without = rooms.filter((room) => !readdirSync(join(source, room.name)).includes("README.md")).map((room) => room.name)
  expect(without).toEqual([])
})
