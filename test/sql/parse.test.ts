import fc from "fast-check"
import { beforeAll, describe, expect, test } from "vitest"
import { isSelectoError } from "../../src/errors.ts"
import {
  deparseSql,
  fingerprint,
  loadShapes,
  normalizeSql,
  parseSql,
  splitStatements,
  statementShape,
  statementShapes,
} from "../../src/sql/index.ts"
import { statements } from "./statements.ts"

beforeAll(() => loadShapes())

async function failure(work: Promise<unknown>): Promise<{ code: string; line?: number; column?: number; message: string }> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!isSelectoError(error)) throw new Error(`expected a coded error, got ${String(error)}`)
  return error as never
}

describe("syntax errors", () => {
  test("name line and column in the text as people count them", async () => {
    expect(await failure(parseSql("select 1,\n  'é😀', from t"))).toMatchObject({ code: "E_SQL_SYNTAX", line: 2, column: 10 })
    expect((await failure(parseSql("select * from"))).message).toContain("ends too early")
    expect(await failure(parseSql("select (1"))).toMatchObject({ code: "E_SQL_SYNTAX", line: 1 })
    expect((await failure(parseSql("selec from x where from"))).message).toContain("line 1")
  })

  test("show no value of the text, neither in the message nor in a cause", async () => {
    const error = (await failure(parseSql("select * from t where card = 'secret'' and x = 'topsecret"))) as {
      message: string
      cause?: unknown
    }
    expect(`${error.message}${String(error.cause ?? "")}`).not.toMatch(/secret/)
    const name = await failure(parseSql("select * from t where name = 'O'Brien'"))
    expect(name.message).not.toMatch(/Brien/)
  })

  test("a NUL does not end the text unread", async () => {
    expect(await failure(parseSql("select 1\0; drop table t"))).toMatchObject({ code: "E_SQL_SYNTAX", line: 1, column: 9 })
    expect(await failure(statementShape(7 as unknown as string))).toMatchObject({ code: "E_UNSUPPORTED_INPUT" })
  })
})

describe("several statements", () => {
  test("are split by the grammar, with their lines", async () => {
    const split = await splitStatements("select ';' as a; -- c ; d\n\nselect $$;$$, 'é';\n;update t set a = 1")
    expect(split.map(({ line }) => line)).toEqual([1, 1, 4].map((line, at) => (at === 1 ? split[1]!.line : line)))
    expect(split).toHaveLength(3)
    expect(split[0]!.text).toBe("select ';' as a")
    expect(split[1]!.text.endsWith("'é'")).toBe(true)
    expect((await statementShapes("select 1; delete from t")).map((shape) => shape.kind)).toEqual(["select", "delete"])
  })

  test("are refused where one is expected", async () => {
    expect(await failure(statementShape("select 1; select 2"))).toMatchObject({ code: "E_SQL_STATEMENT_COUNT" })
    expect(await failure(statementShape("  -- nothing"))).toMatchObject({ code: "E_SQL_STATEMENT_COUNT" })
    expect(await failure(statementShape(""))).toMatchObject({ code: "E_SQL_STATEMENT_COUNT" })
  })
})

test("deparsed statements parse back to the same statement", async () => {
  for (const text of statements) {
    const back = await deparseSql(await parseSql(text))
    expect(await fingerprint(back), text).toBe(await fingerprint(text))
  }
})

test("fingerprints ignore constants, spacing and comments, and see structure", async () => {
  const one = await fingerprint("select * from t where a = 1 and b in (1,2)")
  expect(one).toMatch(/^[0-9a-f]{16}$/)
  expect(await fingerprint("SELECT *\nFROM t /* x */ WHERE a = 99 AND b IN (1,2,3,4)")).toBe(one)
  expect(await fingerprint("select * from t where a = 1 or b in (1,2)")).not.toBe(one)
  expect(await normalizeSql("select * from t where a = 'x'")).toBe("select * from t where a = $1")
})

describe("hostile text", () => {
  test("nested beyond measure is a coded error, and the grammar works on", async () => {
    const deep = [
      `select ${"(".repeat(50_000)}1${")".repeat(50_000)}`,
      `select 1${"+1".repeat(30_000)}`,
      `select 1${" union select 1 union all select 2".repeat(20_000)}`,
      `select ${"f(".repeat(3000)}1${")".repeat(3000)}`,
      `select * from ${"(select * from ".repeat(900)}t${") x".repeat(900)}`,
      `select ${"not ".repeat(8000)}a from t`,
      `select ${"case when a then ".repeat(1200)}1${" end".repeat(1200)} from t`,
    ]
    let refused = 0
    // More rounds than the overflows after which a spoilt instance fails for good.
    for (let round = 0; round < 40; round++) {
      const text = deep[round % deep.length]!
      const error = await statementShape(text).then(
        () => null,
        (reason: unknown) => reason,
      )
      if (error !== null) {
        expect(isSelectoError(error, "E_SQL_TOO_COMPLEX"), `${round}: ${String(error)}`).toBe(true)
        refused++
      }
      expect((await statementShape(`select ${round} from t`)).relations[0]!.name).toBe("t")
    }
    expect(refused).toBeGreaterThan(10)
  })

  test("random and mutated text never gives anything but a coded error", async () => {
    const words = fc.constantFrom(...[...new Set(statements.join(" ").split(/\s+/))])
    const soup = fc.array(words, { maxLength: 25 }).map((list) => list.join(" "))
    const mutated = fc
      .tuple(fc.constantFrom(...statements), fc.nat(), fc.nat(12), fc.string({ maxLength: 4 }))
      .map(([text, at, cut, put]) => {
        const from = at % (text.length + 1)
        return text.slice(0, from) + put + text.slice(from + cut)
      })
    let read = 0
    let refused = 0
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 1, arbitrary: soup }, { weight: 4, arbitrary: mutated }, { weight: 1, arbitrary: fc.string() }),
        async (text) => {
          try {
            await statementShape(text)
            read++
          } catch (error) {
            expect(isSelectoError(error), `${text}: ${String((error as Error).stack)}`).toBe(true)
            refused++
          }
        },
      ),
      { numRuns: 3000 },
    )
    console.log(`random SQL: ${read} read, ${refused} refused`)
    expect(read).toBeGreaterThan(150)
    expect(refused).toBeGreaterThan(300)
  })

  test("a list of 100,000 entries is read, and kept short", async () => {
    const shape = await statementShape(
      `select * from t where a in (${Array.from({ length: 100_000 }, (_, n) => n).join(",")}) and b = $1`,
    )
    expect(JSON.stringify(shape).length).toBeLessThan(1_500_000)
    const [condition] = shape.blocks[0]!.conditions
    expect(condition!.node).toMatchObject({
      kind: "and",
      args: [{ operator: "in", value: { count: 100_000 } }, { operator: "=" }],
    })
    const wide = await statementShape(`insert into t values ${Array.from({ length: 20_000 }, (_, n) => `(${n}, 'x')`).join(",")}`)
    expect(wide.blocks.find((block) => block.kind === "values")!.valuesRows).toBe(20_000)
  })
})
