import { beforeAll, expect, test } from "vitest"
import { isSelectoError } from "../../src/errors.ts"
import { blockText, loadShapes, statementShapeSync } from "../../src/sql/index.ts"
import { statements } from "./statements.ts"

beforeAll(() => loadShapes())

/** The shape without what only its own text and spelling decide. */
function meaning(text: string): unknown {
  const { text: _text, ...shape } = statementShapeSync(text)
  return JSON.parse(
    JSON.stringify(shape, (key, value) =>
      key === "columnAliases" || key === "qualifier" || key === "functions" ? undefined : value,
    ),
  )
}

test("a shape is written as a statement that reads the same", () => {
  let written = 0
  for (const text of statements) {
    const shape = statementShapeSync(text)
    if (shape.kind !== "select") continue
    try {
      const once = blockText(shape)
      expect(blockText(statementShapeSync(once)), text).toBe(once)
      if (!/GROUPING SETS|WITH/.test(once)) expect(meaning(once), once).toEqual(meaning(text))
      written++
    } catch (error) {
      if (!isSelectoError(error, "E_UNSUPPORTED_INPUT")) throw error
    }
  }
  expect(written).toBeGreaterThan(20)
})

test("what every clause looks like", () => {
  const same = (text: string): void => expect(blockText(statementShapeSync(text))).toBe(text)
  same(
    "SELECT a.x, b.y AS z FROM s.a AS a LEFT JOIN (b JOIN c ON b.i = c.i) ON a.i = b.i WHERE a.x > 1 ORDER BY 1, b.y DESC LIMIT 3 OFFSET 1",
  )
  same("SELECT a.x, count(*) AS n FROM a GROUP BY a.x HAVING count(*) > 1 ORDER BY 2 DESC NULLS LAST")
  same("SELECT DISTINCT ON (a.x) a.x, a.y FROM a ORDER BY 1, 2")
  same("SELECT a.x FROM a UNION ALL SELECT b.x FROM b ORDER BY 1")
  same("SELECT a.x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = a.x) AND (a.y IN (SELECT c.y FROM c))")
  same("SELECT v.x FROM (VALUES (1), (2)) AS v(x)")
  same("SELECT g.g FROM LATERAL generate_series(1, 3) AS g")
  same("SELECT t.x FROM t ORDER BY 1 FETCH FIRST (2) ROWS WITH TIES")
  expect(blockText(statementShapeSync("select 'a'::text, count(*) from t group by rollup (1, x)"))).toBe(
    "SELECT 'a'::text AS text, count(*) AS count FROM t GROUP BY GROUPING SETS (('a'::text, t.x), ('a'::text), ())",
  )
})

test("what a shape does not keep whole is refused", () => {
  const refused = [
    "select * from t tablesample system (1)",
    "select * from unnest(a) with ordinality",
    "select * from f() as t(a int)",
  ]
  for (const text of refused) expect(() => blockText(statementShapeSync(text)), text).toThrow("cannot be written again")
})
