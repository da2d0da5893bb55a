import { PGlite } from "@electric-sql/pglite"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { type DatabaseTypes, readTypes } from "../../src/database/read-types.ts"
import {
  type Expression,
  expressionText,
  loadShapes,
  resolveShape,
  statementShapeSync,
  walkExpression,
} from "../../src/sql/index.ts"
import { parseTypeName, type TypeRef, type Typing, typing, UnknownTypeError } from "../../src/sql/typing/index.ts"

let pglite: PGlite
let db: Database
let types: DatabaseTypes
const columns: Record<string, string> = {
  i: "int",
  s: "smallint",
  b: "bigint",
  n: "numeric(10,2)",
  f: "double precision",
  r: "real",
  t: "text",
  v: "varchar(20)",
  c: "char(3)",
  d: "date",
  ts: "timestamp",
  tz: "timestamptz",
  tm: "time",
  iv: "interval",
  o: "boolean",
  u: "uuid",
  j: "jsonb",
  a: "int[]",
  ta: "text[]",
  m: "mood",
  p: "positive",
}

/** Written as people write them; each must be given the type that the server gives it. */
const expressions = `
i + 1 | i + b | i + s | i + n | i * f | n / 3 | b % 2 | -i | s * s | i / 2.0 | n * i | r + f | r * 2 | 3000000000 | 1.5 | 30000000000000000000
i > 5 | n > 5 | n > i | b = i | f < n | t = 'x' | v = 'x' | c = 'x' | v = t | c = t | d >= '2025-01-01' | ts < '2025-01-01' | tz > '2025-01-01' | d < ts | d = tz | o = true
t || 'x' | v || v | t || i | 'a' || 'b' | ta || 'x'::text | a || 5 | t like 'a%' | v like 'a%' | t ~ 'a' | t not like 'x'
d + 1 | d - d | d + interval '1 day' | ts - ts | ts + '1 hour'::interval | tz - interval '1 day' | ts - d | d - 7 | now() - tz | tm + iv | iv * 2 | iv / 2
date_trunc('month', d) | date_trunc('month', ts) | date_trunc('month', tz) | date_trunc('day', tz, 'UTC') | extract(year from d) | extract(epoch from ts) | date_part('year', tz)
d::timestamp | ts::date | tz::date | i::text | '5'::int | n::int | i::numeric(5,1) | t::varchar(3) | cast('1' as bigint) | ts::timestamptz | tz at time zone 'UTC' | ts at time zone 'UTC'
coalesce(i, 0) | coalesce(n, 0) | coalesce(t, 'x') | coalesce(i, n) | coalesce(v, t) | greatest(i, b) | least(d, '2025-01-01') | nullif(i, 0) | nullif(t, '')
case when o then 1 else 2.5 end | case when o then n else 0 end | case i when 1 then 'a' else 'b' end | case when o then 'a' end | case when o then null else d end
i in (1, 2) | n in (1, 2.5) | v in ('a', 'b') | t not in ('a') | d in ('2025-01-01') | i between 1 and 3 | n between 1 and 2 | i not between symmetric 3 and 1 | i = any(array[1,2]) | t = any('{a,b}') | v = any(array['a','b'])
lower(t) | lower(v) | upper(c) | length(t) | substring(t from 1 for 2) | trim(t) | concat(i, t) | abs(i) | abs(n) | round(n) | round(f) | round(n, 1) | floor(n) | ceil(f) | mod(i, 2) | power(i, 2) | sqrt(i) | sqrt(n)
sum(i) | sum(s) | sum(b) | sum(n) | sum(f) | sum(r) | avg(i) | avg(n) | avg(f) | count(*) | count(i) | min(n) | max(t) | max(v) | min(d) | max(c) | stddev(i) | stddev(f) | string_agg(t, ',') | array_agg(i) | array_agg(d) | bool_and(o) | json_agg(i) | jsonb_agg(t) | variance(n)
percentile_cont(0.5) within group (order by i) | percentile_disc(0.5) within group (order by d) | mode() within group (order by t)
array[1, 2] | array['a', t] | a[1] | ta[1:2] | array_length(a, 1) | cardinality(a) | unnest(a) | array[i, b]
j -> 'a' | j ->> 'a' | j #>> '{a,b}' | jsonb_array_length(j) | j @> '{}' | j -> 0 | to_jsonb(i) | json_build_object('a', i)
u = '00000000-0000-0000-0000-000000000000' | gen_random_uuid() | m = 'sad' | m > 'sad' | m::text | p + 1 | p = 5 | -p | p::int
o is true | i is null | i is distinct from 1 | not o | o and i > 1 | (i, t) = (1, 'a') | (i, n) > (1, 2) | (i > 1) is not false | current_date | current_timestamp | localtime | current_user
row_number() over (order by i) | sum(i) over (partition by t) | lag(n) over (order by i) | first_value(d) over (order by i) | ntile(4) over (order by i) | rank() over (order by i)
exp(i) | log(n) | random() | ascii(t) | repeat(t, 2) | left(t, 3) | to_char(d, 'YYYY') | to_char(n, '999') | to_date(t, 'YYYY') | age(d) | make_date(2025, 1, 1) | generate_series(1, 3) | md5(t) | width_bucket(n, 0, 10, 5) | date_bin('1 hour', ts, '2001-01-01')
`
  .split(/[|\n]/)
  .join("\u0000")

/** Cells between single bars; || belongs to an expression. */
function cells(text: string): string[] {
  return text
    .replaceAll("\u0000\u0000", "||")
    .split("\u0000")
    .map((cell) => cell.trim())
    .filter((cell) => cell !== "")
}

beforeAll(async () => {
  await loadShapes()
  pglite = await PGlite.create()
  await pglite.exec("create type mood as enum ('sad', 'ok', 'happy'); create domain positive as int check (value > 0)")
  await pglite.exec(`create table x (${Object.entries(columns).map(([name, type]) => `${name} ${type}`)})`)
  db = openDatabase(pglite)
  types = await readTypes(db)
})

afterAll(async () => {
  await db.close()
  await pglite.close()
})

function typingOver(): Typing {
  const typeOf = (name: string): TypeRef | null => (columns[name] === undefined ? null : parseTypeName(columns[name], types))
  return typing({ catalog: types, columnType: ({ name }) => typeOf(name), subqueryType: () => null, parameter: () => true })
}

async function expressionOf(text: string): Promise<Expression> {
  const shape = resolveShape(statementShapeSync(`select ${text} from x`), { columnsOf: () => Object.keys(columns) })
  const names: string[] = []
  const expression = shape.blocks[0]!.output[0]!.expression
  walkExpression(expression, (inner) => {
    if (inner.kind === "call") names.push(inner.name)
  })
  await types.load(names)
  return expression
}

test("expressions are given the type that the server gives them, and print as SQL of that type", async () => {
  const wrong: string[] = []
  let seen = 0
  for (const text of cells(expressions)) {
    const wanted = (await pglite.query(`select ${text} as y from x`)).fields[0]!.dataTypeID
    const own = typingOver()
    const expression = await expressionOf(text)
    try {
      const typed = own.infer(expression)
      const printed = expressionText(typed.expression)
      const again = (await pglite.query(`select ${printed} as y from x`)).fields[0]!.dataTypeID
      if (typed.type.info.id !== wanted || again !== wanted)
        wrong.push(
          `${text}: ${typed.type.info.text}, printed ${printed} of type ${again}, wanted ${types.typeById(wanted)?.text}`,
        )
      const twice = expressionText(own.infer(typed.expression).expression)
      if (twice !== printed) wrong.push(`${text}: ${printed} is read again as ${twice}`)
      seen++
    } catch (error) {
      wrong.push(`${text}: ${String(error)}`)
    }
  }
  expect(wrong).toEqual([])
  expect(seen).toBeGreaterThan(180)
})

test("what is written differently and means the same is made the same", async () => {
  const same = async (one: string, other: string): Promise<void> => {
    const own = typingOver()
    expect(expressionText(own.infer(await expressionOf(one)).expression), one).toBe(
      expressionText(own.infer(await expressionOf(other)).expression),
    )
  }
  await same("d >= '2025-1-1'", "d >= date '2025-01-01'")
  await same("v = 'a'", "(v)::text = 'a'::text")
  await same("n > 5", "n > (5)::numeric")
  await same("date_trunc('month', d)", "date_trunc('month'::text, (d)::timestamp with time zone)")
  await same("v in ('a', 'b')", "v::text in ('a'::text, 'b'::text)")
  await same("coalesce(n, 0)", "COALESCE(n, (0)::numeric)")
  await same("c = 'a'", "(c = 'a'::bpchar)")
  await same("i between 1 and 3", "((i >= 1) AND (i <= 3))")
})

test("what cannot be typed says so", async () => {
  const own = typingOver()
  for (const text of ["t + t", "nosuch(i)", "j = d", "(i, t) = (1, 2, 3)"])
    expect(() => own.infer(statementShapeSync(`select ${text} from x`).blocks[0]!.output[0]!.expression), text).toThrow(
      UnknownTypeError,
    )
})
