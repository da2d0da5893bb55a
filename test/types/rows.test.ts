import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { bigDomain, bigQueries } from "./big.ts"
import { check } from "./compiler.ts"

const source = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8")

const rowsHead = `import { and, between, caseOf, concat, count, dateTrunc, desc, eq, gt, lower, nest, ref, sum } from "./surface.ts"
import { inferred, type Orders, orders } from "./store.ts"`

describe("row types", { timeout: 240_000 }, () => {
  const rows = source("rows.ts")

  it.each([true, false])("are exact with exactOptionalPropertyTypes %s", (exactOptionalPropertyTypes) => {
    expect(check({ "rows-checked.ts": rows }, { exactOptionalPropertyTypes }).errors).toEqual([])
  })

  it("are exact without strictness about indexes, and under bundler resolution", () => {
    expect(
      check({ "rows-checked.ts": rows }, { noUncheckedIndexedAccess: false, module: 99, moduleResolution: 100 }).errors,
    ).toEqual([])
  })

  // A test of types that accepts anything would pass too: each of these changes must be noticed. One program for all, for its speed.
  const wrong = [
    ["string | null", "string"],
    ["revenue: string | null", "revenue: number | null"],
    ["n: number", "n: string"],
    ["tags: string[]", "tags: readonly string[]"],
    ['rating: "G" | "PG"', "rating: string"],
    ["at: string", "at: Date"],
    ["photo: Uint8Array", "photo: string"],
    ["meta: Json | null", "meta: unknown"],
    ["full_name: string", "full_name: string | null"],
  ] as const
  const mutants = check(Object.fromEntries(wrong.map(([from, to], i) => [`mutant-${i}.ts`, rows.replace(from, to)])))
  it.each(wrong.map(([from, to], i) => ({ from, to, i })))("notice $from read as $to", ({ from, i }) => {
    expect(rows).toContain(from)
    expect(mutants.errors.filter((error) => error.file === `mutant-${i}.ts`)).not.toEqual([])
  })
})

describe("declarations", { timeout: 240_000 }, () => {
  it("of 20 exported queries name the domain instead of repeating it", () => {
    const { declarations, errors } = check(
      { "big-domain.ts": bigDomain(), "queries.ts": bigQueries(20) },
      { declaration: true, emitDeclarationOnly: true, noEmit: false },
    )
    expect(errors).toEqual([])
    const text = [...declarations].find(([name]) => name.endsWith("/queries.d.ts"))?.[1] ?? ""
    console.log(`queries.d.ts of 20 queries: ${text.length} characters`)
    expect(text).toContain("Query<")
    expect(text.length).toBeLessThan(20_000)
  })

  it("of everything that a module may export can be written", () => {
    const exported = `${rowsHead}
export const condition = eq("status", "paid")
export const parts = { n: count(), total: sum("total"), name: lower("status"), month: dateTrunc("month", "created_at") }
export const big = and<Orders>({ total: gt(1) })
export const query = orders.select(parts).filter(condition, big)
export const nested = orders.select({ items: nest("items", { product: "product", suppliers: nest("suppliers", { name: "name" }) }) })
export const later = orders.join("customer", { type: "full" }).select("id")
export const kinds = { test: gt(3), between: between("id", 1, 2), order: desc("id"), text: concat(ref("status"), "!"), case: caseOf("rating", [["G", 1]]) }
export { inferred }
`
    const { declarations, errors } = check(
      { "exported.ts": exported },
      { declaration: true, emitDeclarationOnly: true, noEmit: false },
    )
    expect(errors).toEqual([])
    expect([...declarations.keys()].some((name) => name.endsWith("/exported.d.ts"))).toBe(true)
  })

  it("of a named domain satisfy isolatedDeclarations", () => {
    expect(
      check(
        { "big-domain.ts": bigDomain() },
        { declaration: true, emitDeclarationOnly: true, noEmit: false, isolatedDeclarations: true },
      ).errors,
    ).toEqual([])
  })
})
