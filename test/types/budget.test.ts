import { describe, expect, it } from "vitest"
import { bigDomain, bigQueries } from "./big.ts"
import { check } from "./compiler.ts"

// Counts, never times: these hold on a busy machine too, where one program may take many seconds.
describe("what a domain of 40 tables by 30 columns costs the compiler", { timeout: 240_000 }, () => {
  let few = 0
  const measure = (label: string, domain: string, queries: number) => {
    const { errors, instantiations, milliseconds } = check({
      "big-domain.ts": domain,
      ...(queries === 0 ? {} : { "queries.ts": bigQueries(queries) }),
    })
    console.log(`${label}: ${instantiations} instantiations, ${Math.round(milliseconds)} ms`)
    expect(errors).toEqual([])
    return instantiations
  }

  it("defines within 25,000 instantiations", () => {
    expect(measure("definition", bigDomain(), 0)).toBeLessThanOrEqual(25_000)
  })
  it("defines and queries 20 times within 110,000", () => {
    few = measure("20 queries", bigDomain(), 20)
    expect(few).toBeLessThanOrEqual(110_000)
  })
  it("adds less than 1,000 for each query after that", () => {
    expect(few).toBeGreaterThan(0)
    expect((measure("100 queries", bigDomain(), 100) - few) / 80).toBeLessThan(1_000)
  })
  it("follows a deep tree within the same budget, to its eighth join and no further", () => {
    expect(measure("three children a table", bigDomain(40, 30, 3), 0)).toBeLessThanOrEqual(25_000)
    const chain = `${bigDomain(12, 5, 1)}
const deep = "t1.t2.t3.t4.t5.t6.t7.t8"
export const eight: keyof Big["~fields"] = \`\${deep}.c0\` as const
// @ts-expect-error: nine joins
export const nine: keyof Big["~fields"] = "t1.t2.t3.t4.t5.t6.t7.t8.t9.c0"
`
    expect(check({ "chain.ts": chain }).errors).toEqual([])
  })
  it("fails when a query reads every path", () => {
    const eager = `import { big, type Big } from "./big-domain.ts"
export const every: { readonly [P in keyof Big["~fields"]]: { readonly out: unknown } } = big["~fields"]
`
    expect(check({ "big-domain.ts": bigDomain(), "eager.ts": eager }).instantiations).toBeGreaterThan(25_000)
  })
})
