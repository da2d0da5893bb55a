import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { domainCommand } from "../../src/cli/domain.ts"
import type { Terminal } from "../../src/cli/terminal.ts"
import { shop } from "../query/shop.ts"
import { serverMissing } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"

function recorder(): Terminal & { readonly lines: string[] } {
  const lines: string[] = []
  const keep = (text: string) => void lines.push(text)
  return { lines, out: keep, note: keep, progress: () => {}, width: 100, color: false }
}

describe.skipIf(serverMissing(18))("selecto domain", () => {
  const database = testDatabase({ version: 18, template: shop })
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "selecto-domain-"))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  test("writes a file, agrees with it, and finds that the database has drifted", async () => {
    const file = join(folder, "orders.ts")
    const options = { databaseUrl: database.url, root: "orders" }
    expect(await domainCommand(recorder(), "introspect", file, options)).toBe(0)
    expect(await readFile(file, "utf8")).toContain("export const ordersDomain: Orders = defineDomain(definition)")
    expect(await domainCommand(recorder(), "check", file, options)).toBe(0)
    const client = await database.client()
    await client.query("alter table store.orders rename column note to remark")
    const terminal = recorder()
    expect(await domainCommand(terminal, "check", file, options)).toBe(1)
    expect(terminal.lines.join("\n")).toContain("source.columns.note")
  })

  test("reads JSON and JavaScript, and refuses what is neither", async () => {
    const terminal = recorder()
    const options = { databaseUrl: database.url, root: "tags", json: true }
    await domainCommand(terminal, "introspect", undefined, options)
    const json = join(folder, "tags.json")
    const module = join(folder, "tags.mjs")
    await writeFile(json, terminal.lines[0]!)
    await writeFile(module, `export const tags = { definition: ${terminal.lines[0]} }`)
    for (const file of [json, module]) expect(await domainCommand(recorder(), "check", file, options)).toBe(0)
    await writeFile(join(folder, "none.mjs"), "export const x = 1")
    for (const file of ["none.mjs", "absent.json"])
      await expect(domainCommand(recorder(), "check", join(folder, file), options)).rejects.toThrow()
    await expect(domainCommand(recorder(), "chek", json, options)).rejects.toMatchObject({ code: "E_UNSUPPORTED_INPUT" })
    await expect(domainCommand(recorder(), "introspect", undefined, { databaseUrl: database.url })).rejects.toMatchObject({
      path: "root",
    })
  })
})
