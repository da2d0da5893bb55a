import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Database } from "../../../src/database/database.ts"
import { openDatabase } from "../../../src/database/open.ts"
import { type OpenPlanner, openPlanner } from "../../../src/indexes/what-if/index.ts"
import { serverTarget } from "../../support/each-server.ts"
import { serverMissing } from "../../support/servers.ts"
import { candidate, rootOf, shapeOf, sharedCache, truth } from "./support.ts"

describe.skipIf(serverMissing(18))("types, operators and index kinds of extensions", () => {
  const target = serverTarget(18, {
    name: "whatif_extensions",
    async build(filler) {
      await filler.exec(`create schema ext; create extension pg_trgm schema ext; create extension citext; create extension hstore;
        create table people (id int primary key, mail citext, bio text, attrs hstore, during tsrange, place point, document jsonb, words tsvector);
        insert into people select i, 'M' || i || '@x.org', md5(i::text) || ' ' || md5((i * 7)::text), hstore('a', (i % 50)::text),
          tsrange(timestamp '2024-01-01' + i * interval '1 hour', timestamp '2024-01-01' + (i + 5) * interval '1 hour'), point(i % 100, i % 77),
          jsonb_build_object('a', i % 30, 'b', array[i % 5]), to_tsvector('english', 'word' || i % 200 || ' other' || i % 30) from generate_series(1, 20000) i`)
      await filler.exec("vacuum analyze")
    },
  })
  let database: Database
  let planner: OpenPlanner
  beforeAll(async () => {
    database = openDatabase(target.source)
    planner = await openPlanner(database, { whatIf: "shadow", cacheFolder: sharedCache() })
  })
  afterAll(async () => {
    await planner?.close()
    await database?.close()
  })

  it("copies them all", () => expect(planner.skipped).toEqual([]))

  it.each([
    ["gin", "bio ext.gin_trgm_ops", "bio like '%abcdef%'"],
    ["gist", "during", "during && tsrange('2024-02-01', '2024-02-02')"],
    ["gist", "place", "place <@ box '(1,1),(3,3)'"],
    ["spgist", "place", "place <@ box '(1,1),(3,3)'"],
    ["gin", "attrs", "attrs @> 'a=>3'"],
    ["gin", "document jsonb_path_ops", `document @> '{"a": 3}'`],
    ["gin", "words", "words @@ to_tsquery('english', 'word7')"],
    ["btree", "mail", "mail = 'm77@x.org'"],
    ["btree", "lower(bio)", "lower(bio) = 'x'"],
    ["btree", "(document ->> 'a')", "document ->> 'a' = '3'"],
  ] as const)("%s (%s)", async (method, key, where) => {
    const text = `select * from people where ${where}`
    const index = candidate("people", [key], { method })
    const said = await planner.plan({ text }, [index])
    const size = await planner.size(index)
    await target.sql.exec(`create index built on people using ${method} (${key})`)
    try {
      const real = await truth(target, text)
      expect(shapeOf(rootOf(said.plan))).toBe(shapeOf(real))
      expect(said.used).toEqual([index.id])
      // What a GIN index of trigrams counts in its meta page can only be guessed.
      const tolerance = key.includes("trgm") ? 0.5 : 0.05
      expect(Math.abs(said.cost / real["Total Cost"] - 1)).toBeLessThan(tolerance)
      const { rows } = await target.sql.query("select pg_relation_size('built')::int as bytes")
      expect(size! / Number(rows[0]!.bytes)).toBeGreaterThan(0.4)
      expect(size! / Number(rows[0]!.bytes)).toBeLessThan(2.5)
    } finally {
      await target.sql.exec("drop index built")
    }
  })
})
