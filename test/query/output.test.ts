import fc from "fast-check"
import {
  CamelCasePlugin,
  type CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from "kysely"
import { describe, expect, test } from "vitest"
import { toKysely } from "../../src/query/kysely.ts"
import { csv, ndjson, tuples } from "../../src/query/output.ts"
import { from } from "../../src/query/query.ts"
import { orders } from "./shop.ts"

async function text(lines: AsyncIterable<string>): Promise<string> {
  let all = ""
  for await (const line of lines) all += line
  return all
}

/** RFC 4180, read back by its grammar. */
function parseCsv(source: string): string[][] {
  const rows: string[][] = []
  let at = 0
  while (at < source.length) {
    const row: string[] = []
    for (;;) {
      let field = ""
      if (source[at] === '"') {
        for (at++; ; at++) {
          if (source[at] === '"' && source[at + 1] === '"') at++
          else if (source[at] === '"') break
          field += source[at]
        }
        at++
      } else while (at < source.length && source[at] !== "," && source[at] !== "\r") field += source[at++]
      row.push(field)
      if (source[at] !== ",") break
      at++
    }
    expect(source.slice(at, at + 2)).toBe("\r\n")
    at += 2
    rows.push(row)
  }
  return rows
}

describe("CSV", () => {
  test("quotes what needs it, tells null from empty", async () => {
    const row = {
      a: 'say "hi", you',
      b: null,
      c: "",
      d: "line\nbreak",
      e: ["x", "a b", null, 'q"'],
      f: { k: 1 },
      g: new Date(0),
      h: 1.5,
      i: new Uint8Array([255]),
    }
    expect(await text(csv([row]))).toBe(
      'a,b,c,d,e,f,g,h,i\r\n"say ""hi"", you",,"","line\nbreak","{x,""a b"",NULL,""q\\""""}","{""k"":1}",1970-01-01T00:00:00.000Z,1.5,\\xff\r\n',
    )
  })

  test("what was written is read back", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.string()), { minLength: 1 }), async (rows) => {
        const written = await text(
          csv(
            rows.map(([a, b]) => ({ a, b })),
            { header: false },
          ),
        )
        expect(parseCsv(written)).toEqual(rows)
      }),
    )
  })

  test("formulas are guarded on request, numbers are left alone", async () => {
    const rows = [{ v: "=1+1" }, { v: "@x" }, { v: "-1.50" }, { v: "-cmd" }, { v: "\tx" }, { v: -5 }, { v: "plain" }]
    expect(await text(csv(rows, { header: false, guardFormulas: true }))).toBe(
      "'=1+1\r\n'@x\r\n-1.50\r\n'-cmd\r\n'\tx\r\n-5\r\nplain\r\n",
    )
    expect(await text(csv([rows[0]!], { header: false }))).toBe("=1+1\r\n")
  })

  test("options", async () => {
    const options = { delimiter: ";", nulls: "NULL", columns: ["b", "a"], date: (date: Date) => String(date.getTime()) }
    expect(
      await text(
        csv(
          [
            { a: new Date(5), b: null },
            { a: "x;y", b: "NULL" },
          ],
          options,
        ),
      ),
    ).toBe('b;a\r\nNULL;5\r\n"NULL";"x;y"\r\n')
    expect(await text(csv([], { columns: ["a"] }))).toBe("a\r\n")
    for (const delimiter of ["", '"', "\n", "ab"])
      await expect(text(csv([], { delimiter }))).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
    for (const delimiter of ["]", "^", "\\", "-", "|", "\t"])
      expect(await text(csv([{ a: `x${delimiter}y` }], { delimiter, header: false }))).toBe(`"x${delimiter}y"\r\n`)
  })
})

test("NDJSON: one document a line", async () => {
  const rows = [{ a: "1.50", b: new Date(0), c: Number.NaN, d: "x\ny", e: new Uint8Array([1]), f: 5n }]
  expect(await text(ndjson(rows))).toBe(
    '{"a":"1.50","b":"1970-01-01T00:00:00.000Z","c":"NaN","d":"x\\ny","e":"\\\\x01","f":"5"}\n',
  )
})

test("tuples", async () => {
  const seen: unknown[] = []
  for await (const row of tuples([{ a: 1, b: 2 }])) seen.push(row)
  expect(seen).toEqual([[1, 2]])
})

test("a query is a compiled query of Kysely", async () => {
  const seen: CompiledQuery[] = []
  const db = new Kysely<object>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (one) => new PostgresIntrospector(one),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log: (event) => {
      seen.push(event.query)
    },
    plugins: [new CamelCasePlugin()],
  })
  const query = from(orders).select("id").filter({ status: "paid" })
  const { rows } = await db.executeQuery<{ id: number }>(toKysely(query) as CompiledQuery<{ id: number }>)
  expect(rows).toEqual([])
  expect(seen[0]!.sql).toBe(query.toSql().text)
  expect(seen[0]!.parameters).toEqual(["paid"])
})
