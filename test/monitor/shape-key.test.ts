import { beforeAll, describe, expect, test } from "vitest"
import { shapeKey } from "../../src/monitor/shape-key.ts"
import { fingerprintSync, loadSql } from "../../src/sql/index.ts"

beforeAll(loadSql)

const same: readonly (readonly string[])[] = [
  [
    "select * from film where id = 1",
    "SELECT *\n  FROM film\tWHERE id=2",
    "select * /* a /* nested */ b */ from film where id = 33 -- x",
  ],
  ["select 'a'", "select 'it''s'", "select  'long ; -- text'"],
  ["select E'a\\'b'", "select E'c'"],
  ["select $$a$$", "select $tag$it's $$ $tag$"],
  ["select * from t where a in (1, 2, 3)", "select * from t where a in (4)", "select * from t where a IN ( 7,8 )"],
  ["select * from t where a in ($1, $2)", "select * from t where a in ($1)"],
  ["select 1.5e-3", "select 2", "select 0x1F"],
  ["select x from t limit 10", "select x from t limit 20"],
  ['select "Weird ""name" from t', 'select "Weird ""name"   from t'],
]
const different: readonly (readonly [string, string])[] = [
  ["select a from t", "select b from t"],
  ["select a from t", "select a from u"],
  ['select "A" from t', 'select "a" from t'],
  ["select a, b from t", "select a b from t"],
  ["select * from t where a = 1", "select * from t where a > 1"],
  ["select f(1, 2)", "select f(1)"],
  [
    "select * from t where a in (select x from u where y = 1)",
    "select * from t where a in (select x from u where y = 1 and z = 2)",
  ],
  ["select 1", "select 1, 2"],
  ["select ab from t", "select a b from t"],
  ["insert into t values (1, 2)", "insert into t values (1)"],
]

describe("shape keys", () => {
  test("ignore constants, space, comments and the length of plain lists", () => {
    for (const texts of same) expect(new Set(texts.map(shapeKey)).size, texts[0]).toBe(1)
  })

  test("tell different statements apart", () => {
    for (const [one, other] of different) expect(shapeKey(one), `${one} / ${other}`).not.toBe(shapeKey(other))
  })

  test("never join what PostgreSQL's fingerprint tells apart", () => {
    const all = [...same.flat(), ...different.flat()]
    const byKey = new Map<number, Set<string>>()
    for (const text of all) {
      const prints = byKey.get(shapeKey(text)) ?? new Set()
      prints.add(fingerprintSync(text))
      byKey.set(shapeKey(text), prints)
    }
    for (const prints of byKey.values()) expect(prints.size).toBe(1)
  })

  test("have few collisions", () => {
    const keys = new Set<number>()
    for (let n = 0; n < 100_000; n++) keys.add(shapeKey(`select column_${n} from table_${n % 97} where id = ${n}`))
    expect(keys.size).toBe(100_000)
  })

  test("come to an end on texts that do not", () => {
    for (const text of ["select 'a", 'select "a', "select /* a", "select $a$ b", "select $", "--", "", "select E'\\"])
      shapeKey(text)
    expect(shapeKey(`select ${"1, ".repeat(200_000)} 1`)).toBeGreaterThan(0)
  })
})
