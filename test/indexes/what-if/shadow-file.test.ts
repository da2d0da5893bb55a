import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { expect, it } from "vitest"
import { openDatabase } from "../../../src/database/open.ts"
import { extractCatalog, readShadow, saveShadow, shadowPlan } from "../../../src/indexes/what-if/index.ts"
import { pgliteTarget } from "../../support/each-server.ts"
import { freshFolder, sharedCache, shop, truth } from "./support.ts"

const target = pgliteTarget(shop)
const folder = freshFolder()

it("saves no column value unless told to", async () => {
  const catalog = await extractCatalog(openDatabase(target.pglite))
  const bare = join(folder, "bare.shadow")
  const full = join(folder, "full.shadow")
  await saveShadow(catalog, bare)
  await saveShadow(catalog, full, { withValues: true })
  const text = gunzipSync(readFileSync(bare)).toString()
  // The negative case: with values they are there.
  for (const value of ["secret1", "Straße 1", "cat 1", "part 1"]) {
    expect(text).not.toContain(value)
    expect(gunzipSync(readFileSync(full)).toString()).toContain(value)
  }
  expect((await readShadow(bare)).withValues).toBe(false)
  expect((await readShadow(full)).catalog).toEqual(catalog)
})

it("plans offline from the file; with values exactly, without them in shape", { timeout: 120_000 }, async () => {
  const save = join(folder, "saved.shadow")
  const statements =
    "select count(*) from orders where status = $1;\nselect * from orders where status = 'void';\nselect oops;\nselect * from customers where id = 5"
  const live = await shadowPlan(openDatabase(target.pglite), { statements, save, withValues: true, cacheFolder: sharedCache() })
  const again = await shadowPlan({ file: save }, { statements, cacheFolder: sharedCache() })
  expect(again).toEqual(live)
  expect(live.statements.map(({ error }) => error?.sqlState ?? null)).toEqual([null, null, "42703", null])
  expect(live.statements[1]!.cost).toBe((await truth(target, "select * from orders where status = 'void'"))["Total Cost"])
  await shadowPlan(openDatabase(target.pglite), { statements, save, cacheFolder: sharedCache() })
  const bare = await shadowPlan({ file: save }, { statements, cacheFolder: sharedCache() })
  // A generic plan and a unique key need no values.
  expect(bare.statements[0]!.cost).toBeCloseTo(live.statements[0]!.cost!, 0)
  expect(bare.statements[3]!.cost).toBe(live.statements[3]!.cost)
  expect(bare.skipped).toEqual([])
})

it("refuses other files", async () => {
  const path = join(folder, "other")
  writeFileSync(path, "hello")
  await expect(readShadow(path)).rejects.toMatchObject({ code: "E_UNSUPPORTED_INPUT" })
})
