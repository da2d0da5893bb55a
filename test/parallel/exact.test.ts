import fc from "fast-check"
import type pg from "pg"
import { beforeAll, describe, expect, test } from "vitest"
import { decompose } from "../../src/parallel/aggregates.ts"
import { combineRows } from "../../src/parallel/combine.ts"
import { decodeCopyText } from "../../src/parallel/copy-text.ts"
import { addDecimals, compareDecimals } from "../../src/parallel/decimal.ts"
import { jsonLines } from "../../src/parallel/json-lines.ts"
import { comparatorOf } from "../../src/parallel/order.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"

const seed = Number(process.env.SELECTO_SEED ?? Math.floor(Math.random() * 2 ** 31))
console.log(`exact: SELECTO_SEED=${seed}`)

/** Texts of numerics as PostgreSQL writes them. */
const numerics = fc
  .tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.integer({ min: 0, max: 12 }))
  .map(([digits, scale]) => {
    const negative = digits < 0n
    const text = (negative ? -digits : digits).toString().padStart(scale + 1, "0")
    const whole = scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`
    return negative && /[1-9]/.test(whole) ? `-${whole}` : whole
  })

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`computed here as PostgreSQL ${version} does`, () => {
    const database = testDatabase({ version })
    let client: pg.Client
    beforeAll(async () => {
      client = await database.client()
    })
    const ask = async (text: string, values: unknown[]): Promise<string[]> =>
      (await client.query({ text, values, rowMode: "array" })).rows.map(([value]) => String(value))

    test("sums and order of numerics", async () => {
      const pairs = fc.sample(fc.tuple(numerics, numerics), { seed, numRuns: 2000 })
      pairs.push(["0", "0.00"], ["-1", "1.0"], ["0.5", "0.50"], ["9.99", "0.01"])
      const [a, b] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)]
      const sums = await ask(
        "select (a + b)::text from unnest($1::numeric[], $2::numeric[]) with ordinality u(a, b, i) order by i",
        [a, b],
      )
      expect(pairs.map(([one, other]) => addDecimals(one, other))).toEqual(sums)
      const orders = await ask(
        "select case when a < b then -1 when a > b then 1 else 0 end from unnest($1::numeric[], $2::numeric[]) with ordinality u(a, b, i) order by i",
        [a, b],
      )
      expect(pairs.map(([one, other]) => String(Math.sign(compareDecimals(one, other))))).toEqual(orders)
      expect(addDecimals("NaN", "1")).toBeNull()
      const special = ["NaN", "-Infinity", "100000", "Infinity", "0"].sort(compareDecimals)
      expect(special).toEqual(["-Infinity", "0", "100000", "Infinity", "NaN"])
    })

    test("the order of types that are compared here", async () => {
      const samples: Record<string, { id: number; values: readonly string[] }> = {
        int4: { id: 23, values: ["-5", "0", "12", "3", "2147483647"] },
        int8: { id: 20, values: ["-9223372036854775808", "9223372036854775807", "9007199254740993", "9007199254740992", "0"] },
        float8: { id: 701, values: ["NaN", "-Infinity", "Infinity", "1e-300", "-2.5", "0"] },
        bool: { id: 16, values: ["t", "f"] },
        bytea: { id: 17, values: ["\\x", "\\x00", "\\xff", "\\x0100", "\\x01"] },
        uuid: { id: 2950, values: ["00000000-0000-0000-0000-0000000000ff", "f0000000-0000-0000-0000-000000000000"] },
        text: { id: 25, values: ["B", "a", "ä", "～", "😀", "a😀", "a～", "", "aa"] },
      }
      for (const [type, { id, values }] of Object.entries(samples)) {
        const compare = comparatorOf({ id, baseId: id } as never, '"C"')!
        const collate = type === "text" ? ' collate "C"' : ""
        const expected = await ask(
          `select v::text from unnest($1::text[]) u(t), lateral (select t::${type} as v) x order by x.v${collate}`,
          [values],
        )
        const texts = type === "bool" ? expected.map((one) => one[0]!) : expected
        expect([...values].sort(compare), type).toEqual(texts)
      }
      expect(comparatorOf({ id: 25, baseId: 25 } as never, '"default"')).toBeNull()
      expect(comparatorOf({ id: 3802, baseId: 3802 } as never, null)).toBeNull()
    })

    test("variance and deviation from parts, to the last digit of their text", async () => {
      await client.query(`create temp table samples as select (random() * 50)::int as g, (random() * 6)::int as part, (random() * 1000)::int as i,
        (random() * 1e18)::bigint as b, ((random() - 0.5) * power(10, random() * 20 - 10))::numeric as n,
        round((random() * 1000)::numeric, (random() * 6)::int) as m, case when random() < 0.002 then 'NaN' else random()::numeric end as x
        from generate_series(1, 4000)`)
      const types = { i: 23, b: 20, n: 1700, m: 1700, x: 1700 }
      for (const [column, type] of Object.entries(types))
        for (const name of ["stddev", "stddev_pop", "variance", "var_pop", "avg", "sum"]) {
          const piece = {
            slot: "",
            text: `${name}(${column})`,
            schema: null,
            name,
            args: [column],
            star: false,
            distinct: false,
            filter: null,
            special: false,
          }
          const one = decompose(piece, type)
          if (typeof one === "string") throw new Error(one)
          const partials = one.partials.map(({ sql }, at) => `${sql} as p${at}`).join(", ")
          const merged = one.merge(one.partials.map((_partial, at) => `p${at}`))
          const text = `with whole as (select g, ${name}(${column})::text as r from samples group by g),
            parts as (select g, ${partials} from samples group by g, part), merged as (select g, (${merged})::text as r from parts group by g)
            select format('%s: %s, %s', g, w.r, m.r) from whole w join merged m using (g) where w.r is distinct from m.r`
          expect(await ask(text, []), `${name}(${column})`).toEqual([])
        }
    })

    test("rows of COPY's text format", async () => {
      const values = ["a\tb", "c\nd", "\\N", "\\", "e\rf", "\b\f\v", "", null, "ä😀", "\\.", "x\\ty"]
      const rows = fc.sample(fc.array(fc.constantFrom(...values), { minLength: 3, maxLength: 3 }), { seed, numRuns: 300 })
      const lines = rows.map((row) =>
        row
          .map((value) =>
            value === null
              ? "\\N"
              : value.replace(
                  /[\\\b\f\n\r\t\v]/g,
                  (one) => ({ "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v" })[one]!,
                ),
          )
          .join("\t"),
      )
      // PostgreSQL reads the lines as we mean them...
      await client.query("create temp table lines (a text, b text, c text)")
      await client.query(
        "insert into lines select * from unnest($1::text[], $2::text[], $3::text[])",
        [0, 1, 2].map((at) => rows.map((row) => row[at])),
      )
      // ... and we read its rows as they are.
      expect(decodeCopyText(Buffer.from(`${lines.join("\n")}\n`))).toEqual(rows)
    })
  })

describe("merging in this process", () => {
  test("one row a group, NULL a group like any other, keys that look alike apart", () => {
    const rows = [
      [null, "x", "1", "1.0", "t", "5"],
      [null, "x", "2", "0.25", "f", "3"],
      ["n", "x", "1", null, null, null],
      ["1:n", "", "1", "2", "t", "9"],
      ["1", ":n", "1", "3", "t", "9"],
    ]
    expect(combineRows(rows, 2, ["integer", "decimal", "and", "least"])).toEqual([
      [null, "x", "3", "1.25", "f", "3"],
      ["n", "x", "1", null, null, null],
      ["1:n", "", "1", "2", "t", "9"],
      ["1", ":n", "1", "3", "t", "9"],
    ])
    expect(rows[0]).toEqual([null, "x", "1", "1.0", "t", "5"])
  })

  test("what only PostgreSQL can add is left to it, untouched", () => {
    const rows = [
      ["a", "1"],
      ["a", "NaN"],
    ]
    expect(combineRows(rows, 1, ["decimal"])).toBeNull()
    expect(combineRows(rows, 1, [null])).toBeNull()
    expect(combineRows([["a", "1"]], 1, [null])).toEqual([["a", "1"]])
  })

  test("aggregates that cannot be taken apart exactly say why", () => {
    const piece = (name: string, more = {}) => ({
      slot: "",
      text: `${name}(x)`,
      schema: null,
      name,
      args: ["x"],
      star: false,
      distinct: false,
      filter: null,
      special: false,
      ...more,
    })
    expect(decompose(piece("stddev"), 701)).toMatch(/depends on the order/)
    expect(decompose(piece("array_agg"), 23)).toMatch(/cannot be taken apart/)
    expect(decompose(piece("sum", { special: true }), 23)).toMatch(/ORDER BY/)
    expect(decompose(piece("avg"), 790)).toMatch(/of this type/)
  })
})

test("lines of JSON keep every digit", () => {
  const fields = [23, 20, 1700, 701, 16, 25, 3802, 1184, 1114, 17, 1007, 1009, 1231].map((typeId, at) => ({
    name: `c${at}`,
    typeId,
  }))
  const row = [
    "1",
    "9007199254740993",
    "1.10",
    "NaN",
    "t",
    'a"\\n\u0001ä',
    '{"a": 1.0}',
    "2024-02-29 12:00:00.000001+05:30",
    "2024-02-29 12:00:00",
    "\\\\x00",
    "{1,NULL,{2}}",
    '{"a b",NULL,"x\\"y"}',
    "{1.10}",
  ]
  const escaped = row.map((value) => value.replaceAll("\\", "\\\\"))
  escaped[9] = "\\\\x00"
  const [line] = Buffer.from(jsonLines(fields)(Buffer.from(`${escaped.join("\t")}\n`)))
    .toString()
    .split("\n")
  expect(JSON.parse(line!)).toEqual({
    c0: 1,
    c1: "9007199254740993",
    c2: "1.10",
    c3: "NaN",
    c4: true,
    c5: 'a"\\n\u0001ä',
    c6: { a: 1 },
    c7: "2024-02-29T12:00:00.000001+05:30",
    c8: "2024-02-29T12:00:00",
    c9: "\\x00",
    c10: [1, null, [2]],
    c11: ["a b", null, 'x"y'],
    c12: ["1.10"],
  })
  expect(line).toContain('{"a": 1.0}')
})
