import { PGlite } from "@electric-sql/pglite"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { isSelectoError } from "../../src/errors.ts"
import { cutIdentifier, quoteIdentifier, quoteLiteral, quoteQualified } from "../../src/sql/identifier.ts"

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
})
afterAll(() => db.close())

const nastyText = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom('"', "'", "\\", ";", "-", "/", "*", "$", "a", "A", "\n", " ", "é", "\u202e", "\0") }),
)

describe("quoteIdentifier", () => {
  test("leaves simple names bare and quotes the rest", () => {
    expect(quoteIdentifier("total")).toBe("total")
    expect(quoteIdentifier("_x9")).toBe("_x9")
    expect(quoteIdentifier("Total")).toBe('"Total"')
    expect(quoteIdentifier("order")).toBe('"order"')
    expect(quoteIdentifier('we"ird')).toBe('"we""ird"')
    expect(quoteIdentifier("9lives")).toBe('"9lives"')
    expect(quoteQualified("public", "Order", "id")).toBe('public."Order".id')
    expect(quoteQualified(null, "orders")).toBe("orders")
  })

  test("quotes every keyword that the server's quote_ident quotes, and no other", async () => {
    const { rows } = await db.query<{ word: string; quoted: string }>(
      "select word, quote_ident(word) quoted from pg_get_keywords()",
    )
    expect(rows.length).toBeGreaterThan(400)
    for (const { word, quoted } of rows) expect(quoteIdentifier(word)).toBe(quoted)
  })

  test("refuses what PostgreSQL cannot keep", () => {
    for (const bad of [
      "",
      "a\0b",
      "x".repeat(64),
      "é".repeat(32),
      "\ud800",
      undefined as unknown as string,
      7 as unknown as string,
    ]) {
      expect(() => quoteIdentifier(bad)).toThrowError(expect.objectContaining({ code: "E_INVALID_IDENTIFIER" }))
    }
    expect(quoteIdentifier("é".repeat(31))).toBe(`"${"é".repeat(31)}"`)
  })

  test("any accepted name comes back from the server as it went", async () => {
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(nastyText, async (name) => {
        let quoted: string
        try {
          quoted = quoteIdentifier(name)
        } catch (error) {
          expect(isSelectoError(error, "E_INVALID_IDENTIFIER")).toBe(true)
          return
        }
        const { fields } = await db.query(`select 1 as ${quoted}`)
        expect(fields[0]!.name).toBe(name)
        accepted++
      }),
      { numRuns: 300 },
    )
    expect(accepted).toBeGreaterThan(100)
  })
})

describe("quoteLiteral", () => {
  test("any accepted text comes back from the server as it went, whatever standard_conforming_strings says", async () => {
    let accepted = 0
    for (const setting of ["on", "off"]) {
      await db.exec(`set standard_conforming_strings = ${setting}; set escape_string_warning = off`)
      await fc.assert(
        fc.asyncProperty(nastyText, async (value) => {
          let quoted: string
          try {
            quoted = quoteLiteral(value)
          } catch (error) {
            expect(isSelectoError(error, "E_INVALID_IDENTIFIER")).toBe(true)
            return
          }
          const { rows } = await db.query<{ v: string }>(`select ${quoted} as v`)
          expect(rows[0]!.v).toBe(value)
          accepted++
        }),
        { numRuns: 200 },
      )
    }
    await db.exec("reset standard_conforming_strings")
    expect(accepted).toBeGreaterThan(200)
  })
})

test("cutIdentifier keeps whole characters", () => {
  expect(cutIdentifier("é".repeat(40))).toBe("é".repeat(31))
  expect(cutIdentifier("😀".repeat(20), 10)).toBe("😀😀")
  expect(cutIdentifier("short")).toBe("short")
})
