import { PGlite } from "@electric-sql/pglite"
import { afterAll, beforeAll, expect, it } from "vitest"
import { btreeFile } from "../../../src/indexes/what-if/btree-file.ts"
import { btreeHeight, indexBytes, type SizedColumn } from "../../../src/indexes/what-if/size.ts"

let pglite: PGlite
beforeAll(async () => {
  pglite = await PGlite.create()
  await pglite.exec("create table t (a int); set enable_seqscan = off")
})
afterAll(() => pglite.close())

interface Files {
  writeFile(path: string, content: Uint8Array): void
}

async function planWith(file: (name: string) => Uint8Array): Promise<unknown> {
  await pglite.exec("drop index if exists i; create index i on t (a)")
  const { rows } = await pglite.query<{ path: string }>("select pg_relation_filepath('i') as path")
  ;(pglite.Module as unknown as { FS: Files }).FS.writeFile(`/pglite/data/${rows[0]!.path}`, file("i"))
  return (await pglite.exec("explain (format json) select * from t where a = 5")).at(-1)
}

it.each([0, 1, 2, 3, 5])("PostgreSQL reads a btree of height %i and finds it empty", async (height) => {
  const plan = JSON.stringify(await planWith(() => btreeFile(height, true)))
  expect(plan).toContain("Index")
  const { rows } = await pglite.query("select * from t where a = 5")
  expect(rows).toEqual([])
  await expect(pglite.exec("select * from t where a between 1 and 9 order by a desc")).resolves.toBeDefined()
})

it("costs 50 operators a level", async () => {
  const costOf = async (height: number): Promise<number> => {
    const text = JSON.stringify(await planWith(() => btreeFile(height, true)))
    return Math.min(...[...text.matchAll(/"Startup Cost":([\d.]+)/g)].map((match) => Number(match[1])).filter((cost) => cost > 0))
  }
  expect((await costOf(3)) - (await costOf(1))).toBeCloseTo(2 * 50 * 0.0025, 5)
})

it("is refused with a wrong checksum", async () => {
  const broken = btreeFile(1, true)
  broken[100] = 1
  await expect(planWith(() => broken)).rejects.toThrow(/invalid page|checksum/)
})

const int: SizedColumn = {
  width: 4,
  widths: [],
  align: 4,
  varying: false,
  nullFraction: 0,
  distinct: 1e6,
  commonFrequencies: [],
  elements: null,
  elementFrequencies: [],
}
const input = {
  method: "btree",
  rows: 1e6,
  heapPages: 1e4,
  columns: [int],
  keyCount: 1,
  deduplicates: true,
  distinct: null,
  pagesPerRange: 128,
  fillFactor: null,
}

it("computes sizes in whole pages: unique integers as PostgreSQL builds them", () => {
  // create index on a million distinct integers: 2,745 pages on every version from 13.
  expect(Math.abs(indexBytes(input) / (2745 * 8192) - 1)).toBeLessThan(0.002)
  expect(indexBytes({ ...input, columns: [{ ...int, distinct: 10 }] })).toBeLessThan(0.35 * indexBytes(input))
  expect(indexBytes({ ...input, columns: [{ ...int, distinct: 10 }], deduplicates: false }) / indexBytes(input)).toBeCloseTo(1, 2)
  expect(indexBytes({ ...input, rows: 0 })).toBe(8192)
})

it("knows how high a btree is", () => {
  expect(btreeHeight(1, [int], 10)).toBe(0)
  expect(btreeHeight(30, [int], 5000)).toBe(1)
  expect(btreeHeight(2745, [int], 1e6)).toBe(2)
  expect(btreeHeight(300_000, [int], 1e8)).toBe(3)
})
