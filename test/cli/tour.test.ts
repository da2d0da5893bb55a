import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import type { Terminal } from "../../src/cli/terminal.ts"
import { tour } from "../../src/cli/tour/tour.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"

function recorder(width = 100): Terminal & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    out: (text) => void lines.push(text),
    note: (text) => void lines.push(text),
    progress: () => {},
    width,
    color: false,
  }
}

const register = new URL("../support/register.mjs", import.meta.url).href
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url))

describe("the tour on its embedded database", () => {
  test("walks from a question to a verified index that is faster", async () => {
    const terminal = recorder()
    const improvements = await tour(terminal, { scale: 0.1 })
    const text = terminal.lines.join("\n")
    expect(improvements.length).toBeGreaterThanOrEqual(4)
    expect(text).toContain("SELECT orders.id AS id")
    expect(text).toContain("sequential_scan")
    expect(text).toMatch(/CREATE INDEX/)
    expect(text).toContain("verified by the planner")
    expect(text).toContain("the database has one session: there is nobody to share with")
    const [first] = improvements
    expect(first!.issues.map((issue) => issue.issue)).toContain("sequential_scan")
    expect(first!.indexes.length).toBeGreaterThan(0)
    for (const index of first!.indexes) {
      expect(index.evidence!.used).toBe(true)
      expect(index.evidence!.costAfter).toBeLessThan(index.evidence!.costBefore)
    }
    // No line is wider than the terminal, but for code that is printed as written.
    for (const line of text.split("\n")) expect([...line].length, line).toBeLessThanOrEqual(120)
  })

  test("refuses a scale that is none", async () => {
    await expect(tour(recorder(), { scale: Number.NaN })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
    await expect(tour(recorder(), { scale: 0 })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
  })

  const dump = fileURLToPath(new URL("../../../shared/data/pagila", import.meta.url))
  test.skipIf(!existsSync(dump))("asks the Pagila dump", async () => {
    const terminal = recorder()
    const improvements = await tour(terminal, { pagila: dump })
    expect(improvements.flatMap((one) => one.indexes).map((index) => index.table)).toEqual(
      expect.arrayContaining(["rental", "payment"]),
    )
  })

  test("says which folder it wants when the dump is not there", async () => {
    await expect(tour(recorder(), { pagila: "/nowhere" })).rejects.toMatchObject({ code: "E_UNSUPPORTED_INPUT" })
  })
})

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`the tour on a server, PostgreSQL ${version}`, () => {
    const database = testDatabase({ version })

    test("works in a schema of its own and removes exactly that", async () => {
      const client = await database.client()
      await client.query("create schema store; create table store.orders (mine integer); create table customers (mine integer)")
      const terminal = recorder()
      await tour(terminal, { databaseUrl: database.url, scale: 0.02 })
      const text = terminal.lines.join("\n")
      expect(text).toContain("The rows are the same every time.")
      expect(text).toMatch(/did not pay here|the fastest here/)
      const { rows } = await client.query(
        "select nspname || '.' || relname as name from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'i') and nspname !~ '^pg_|information_schema' order by 1",
      )
      expect(rows.map((row) => row.name)).toEqual(["public.customers", "store.orders"])
      const schemas = await client.query("select nspname from pg_namespace where nspname like 'selecto%'")
      expect(schemas.rows).toEqual([])
    })

    test("cleans up when it is interrupted", async () => {
      const interruption = new AbortController()
      const terminal = {
        ...recorder(),
        progress: (text: string | null) => void (text?.includes("orders") && interruption.abort(new Error("stop"))),
      }
      await expect(tour(terminal, { databaseUrl: database.url, scale: 0.02, signal: interruption.signal })).rejects.toThrow()
      const client = await database.client()
      expect((await client.query("select nspname from pg_namespace where nspname like 'selecto%'")).rows).toEqual([])
    })

    // The way is the same on every server, and a process of its own takes its time to start.
    test.runIf(version === serverVersions.at(-1)).each(["SIGINT", "SIGTERM", "a reader that goes away"] as const)(
      "cleans up after %s",
      async (end) => {
        const client = await database.client()
        const schemas = async () => (await client.query("select nspname from pg_namespace where nspname like 'selecto%'")).rows
        const child = spawn(
          process.execPath,
          [
            "--import",
            register,
            main,
            "tour",
            "--database-url",
            database.url,
            "--scale",
            end === "a reader that goes away" ? "0.02" : "1",
          ],
          { stdio: ["ignore", "pipe", "pipe"] },
        )
        const ended = new Promise<number | null>((resolve) => child.once("exit", resolve))
        child.stderr.resume()
        if (end === "a reader that goes away") {
          await once(child.stdout, "data")
          child.stdout.destroy()
        } else {
          while ((await schemas()).length === 0) await client.query("select pg_sleep(0.02)")
          child.kill(end)
        }
        expect(await ended).toBe({ SIGINT: 130, SIGTERM: 143, "a reader that goes away": 141 }[end])
        expect(await schemas()).toEqual([])
      },
    )
  })
