import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { doctorCommand } from "../../src/cli/doctor.ts"
import type { Terminal } from "../../src/cli/terminal.ts"
import { uninstallCommand } from "../../src/cli/uninstall.ts"
import { type ViewsCommandOptions, viewsCommand } from "../../src/cli/views.ts"
import { workCommand } from "../../src/cli/work.ts"
import type { Diagnosis } from "../../src/client/diagnose.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"

function recorder(): Terminal & { readonly text: () => string } {
  const out: string[] = []
  return {
    text: () => out.join("\n"),
    out: (text) => void out.push(text),
    note: (text) => void out.push(text),
    progress: () => {},
    width: 160,
    color: false,
  }
}

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`selecto views on PostgreSQL ${version}`, () => {
    const target = testDatabase({ version })
    let folder = ""
    let databaseUrl = ""
    const views = async (
      action: string,
      name?: string,
      options: ViewsCommandOptions = {},
    ): Promise<[code: number, text: string]> => {
      const terminal = recorder()
      return [await viewsCommand(terminal, action, name, { databaseUrl, ...options }), terminal.text()]
    }
    const file = (name: string): string => join(folder, name)

    beforeAll(async () => {
      databaseUrl = target.url
      folder = await mkdtemp(join(tmpdir(), "selecto-views-"))
      await writeFile(file("sales.sql"), "select region, sum(total) as total from sale group by region;\n")
      await writeFile(file("other.sql"), "select region, sum(total) as total, count(*) as n from sale group by region")
      const client = await target.client()
      await client.query(`create table sale (id int primary key, region text, total int);
        insert into sale select i, 'r' || i % 3, i from generate_series(1, 30) i; create materialized view theirs as select 1 as a`)
    })
    afterAll(() => rm(folder, { recursive: true }))

    test("made from a file, listed, compared, refreshed, redefined", async () => {
      expect(await views("list")).toEqual([0, "No views are kept here."])
      const [code, text] = await views("create", "sales", { file: file("sales.sql"), refresh: "daily", track: true })
      expect([code, text]).toEqual([0, "public.sales: created, unique by region"])
      expect((await views("list", undefined, { check: true }))[1]).toMatch(/public\.sales\s+exact/)
      expect(await views("diff", "sales", { file: file("sales.sql"), check: true })).toEqual([0, "public.sales: same"])
      const [differs, told] = await views("diff", "sales", { file: file("other.sql"), check: true })
      expect(differs).toBe(1)
      expect(told).toContain("count(*)")
      await expect(views("create", "sales", { file: file("other.sql") })).rejects.toMatchObject({ code: "E_VIEW_DIFFERS" })
      expect(await views("redefine", "sales", { file: file("other.sql"), refresh: "15m", track: true })).toEqual([
        0,
        "public.sales: redefined",
      ])
      expect((await views("refresh", "sales"))[1]).toContain("public.sales: unchanged")
      expect((await views("refresh", "sales", { force: true, concurrently: true }))[1]).toMatch(
        /refreshed in .*, concurrently, about 3 rows/,
      )
      const status = JSON.parse((await views("status", "sales", { json: true }))[1]) as Record<string, unknown>
      expect(status).toMatchObject({ name: "sales", freshness: "exact", strategy: "every 15m", usable: true })
    })

    test("what is wrong with a call is said, and drop asks", async () => {
      await expect(views("suggest")).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
        message: expect.stringContaining("list, status"),
      })
      await expect(views("create", "x")).rejects.toMatchObject({ path: "file" })
      await expect(views("status")).rejects.toMatchObject({ path: "name" })
      await expect(views("create", "x", { file: file("sales.sql"), refresh: "often" })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
      })
      await expect(views("drop", "sales")).rejects.toMatchObject({ code: "E_INVALID_OPTION", path: "yes" })
      expect((await views("adopt", "theirs", { onDemand: "1h" }))[1]).toBe("public.theirs: adopted")
      expect((await views("cleanup", undefined, { check: true }))[0]).toBe(0)
    })

    test("work --once refreshes what is due", async () => {
      const client = await target.client()
      await client.query(
        "update selecto.views_view set next_run = now() - interval '1 hour' where name = 'sales'; insert into sale values (99, 'r9', 9)",
      )
      const terminal = recorder()
      expect(await workCommand(terminal, { databaseUrl, once: true })).toBe(0)
      expect(terminal.text()).toMatch(/public\.sales: refreshed in .*next: \d{4}/s)
      await expect(workCommand(terminal, { databaseUrl })).rejects.toMatchObject({ path: "once" })
    })

    test("doctor lists what is there and what is amiss; uninstall keeps views unless told, and adopted ones always", async () => {
      const terminal = recorder()
      await doctorCommand(terminal, { databaseUrl, json: true })
      const { objects, findings, components } = JSON.parse(terminal.text()) as Diagnosis
      expect(components.find(({ name }) => name === "views")).toMatchObject({ installed: 1, known: 1 })
      expect(objects.map(({ kind, schema, name }) => `${kind} ${schema}.${name}`)).toEqual(
        expect.arrayContaining([
          "materialized view public.sales",
          "table selecto.views_view",
          "function selecto.views_fresh(p_view oid)",
        ]),
      )
      expect(objects.some(({ name }) => name === "theirs")).toBe(false)
      expect(findings.filter(({ code }) => code === "view_problem")).toMatchObject([
        { object: "materialized view public.theirs", severity: "info" },
      ])
      const client = await target.client()
      expect(await uninstallCommand(recorder(), { databaseUrl, yes: true })).toBe(0)
      expect((await client.query("select relname::text as name from pg_class where relkind = 'm' order by 1")).rows).toEqual([
        { name: "sales" },
        { name: "theirs" },
      ])
      await client.query("refresh materialized view sales")
      expect((await client.query("select from pg_namespace where nspname = 'selecto'")).rows).toEqual([])
      // Made again, it is found by its comment.
      expect(await uninstallCommand(recorder(), { databaseUrl, yes: true, views: true })).toBe(0)
      expect((await client.query("select relname::text as name from pg_class where relkind = 'm'")).rows).toEqual([
        { name: "theirs" },
      ])
    })
  })
