import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Database } from "../../../src/database/database.ts"
import { openDatabase } from "../../../src/database/open.ts"
import { candidateOf, keyOf } from "../../../src/indexes/draft.ts"
import { IndexSizes } from "../../../src/indexes/index-sizes.ts"
import { readIndexCatalog } from "../../../src/indexes/read-catalog.ts"
import { mergesCharacter } from "../../../src/indexes/what-if/deduplication.ts"
import { type OpenPlanner, openPlanner } from "../../../src/indexes/what-if/index.ts"
import { eachServer } from "../../support/each-server.ts"

describe("merging of equal values", () => {
  test("ended for character with 19 and with the last releases of 14 and 15", () => {
    const versions = [130023, 140024, 140025, 150019, 150020, 160014, 180006, 190000]
    expect(versions.map(mergesCharacter)).toEqual([true, true, false, true, false, true, true, false])
  })
})

eachServer(
  "predicted sizes of several columns",
  (target) => {
    let db: Database
    let planner: OpenPlanner
    beforeAll(async () => {
      db = openDatabase(target.source)
      await target.sql.exec(
        `create table pairs (id int primary key, part int not null, supplier int not null, buyer int not null, day date not null, mode char(10) not null, note text not null);
insert into pairs select i, p, (p * 7 + i % 4) % 2000, abs(hashint4(i + 1)) % 20000, date '2024-01-01' + abs(hashint4(i + 2)) % 2400, 'mode' || abs(hashint4(i + 3)) % 7, repeat('n', 90)
  from (select i, abs(hashint4(i)) % 6000 as p from generate_series(1, 200000) i) s;`,
      )
      await target.sql.exec("vacuum analyze pairs")
      planner = await openPlanner(db, { whatIf: "shadow" })
    })
    afterAll(async () => {
      await planner?.close()
      await db.close()
    })

    // Without a count of the combinations the first is taken for three times as large, or the second for a third.
    test.each([
      ["that go together", ["part", "supplier"]],
      ["that meet by chance", ["buyer", "day"]],
      ["of type character", ["part", "mode"]],
    ])("%s", async (_name, columns) => {
      await target.sql.exec(`create index really on pairs (${columns.join(", ")})`)
      const { rows } = await target.sql.query("select pg_relation_size('really')::float8 as bytes")
      await target.sql.exec("drop index really")
      const table = (await readIndexCatalog(db, [{ schema: null, name: "pairs" }])).tables[0]!
      const keys = columns.map((column) => keyOf(column, column))
      const candidate = candidateOf({ table, method: "btree", keys, include: [], where: null, patterns: [], clauses: [] })
      const sizes = await new IndexSizes(db, planner, undefined).of([candidate])
      expect(sizes.get(candidate.id)! / Number(rows[0]!.bytes)).toBeGreaterThan(0.87)
      expect(sizes.get(candidate.id)! / Number(rows[0]!.bytes)).toBeLessThan(1.15)
    })
  },
  { versions: [15, 18] },
)
