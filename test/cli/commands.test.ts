import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { adviseCommand } from "../../src/cli/advise.ts"
import { checkCommand } from "../../src/cli/check.ts"
import { explainCommand } from "../../src/cli/explain.ts"
import { planCommand } from "../../src/cli/plan.ts"
import type { Terminal } from "../../src/cli/terminal.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { type Template, testDatabase } from "../support/test-database.ts"

const events: Template = {
  name: "commands",
  async build(filler) {
    await filler.exec(`
      create table events (id integer primary key, kind integer not null, at timestamptz not null, body text not null);
      insert into events select n, n % 5000, timestamptz '2024-01-01' + n * interval '1 minute', repeat('x', 80) from generate_series(1, 100000) n;
    `)
    await filler.query("vacuum (analyze) events")
  },
}

function recorder(): Terminal & { readonly text: () => string } {
  const lines: string[] = []
  return {
    text: () => lines.join("\n"),
    out: (text) => void lines.push(text),
    note: (text) => void lines.push(text),
    progress: () => {},
    width: 100,
    color: false,
  }
}

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`commands on PostgreSQL ${version}`, () => {
    const database = testDatabase({ version, template: events })
    const folder = mkdtempSync(join(tmpdir(), "selecto-commands-"))
    const file = (name: string, text: string): string => {
      const path = join(folder, name)
      writeFileSync(path, text)
      return path
    }
    let databaseUrl = ""
    beforeAll(() => {
      databaseUrl = database.url
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))
    const query = "select id, at from events where kind = 17;"

    test("explain runs a statement, finds what is slow and confirms it with the catalog", async () => {
      const terminal = recorder()
      expect(await explainCommand(terminal, file("q.sql", query), { databaseUrl, analyze: true, check: true })).toBe(1)
      expect(terminal.text()).toContain("Seq Scan on events")
      expect(terminal.text()).toContain("sequential_scan")
      const page = join(folder, "plan.html")
      expect(
        await explainCommand(recorder(), file("pk.sql", "select at from events where id = 5"), {
          databaseUrl,
          check: true,
          html: page,
        }),
      ).toBe(0)
      expect(await readFile(page, "utf8")).toContain("Index Scan")
      await expect(
        explainCommand(recorder(), file("w.sql", "delete from events"), { databaseUrl, analyze: true }),
      ).rejects.toMatchObject({
        code: "E_EXPLAIN_WRITES",
      })
      await expect(explainCommand(recorder(), join(folder, "none.sql"), { databaseUrl })).rejects.toMatchObject({
        code: "E_UNSUPPORTED_INPUT",
      })
    })

    test("check writes a baseline, passes, and stops a plan that got worse", async () => {
      const queries = mkdtempSync(join(folder, "queries-"))
      writeFileSync(join(queries, "by-id.sql"), "select at from events where id = $1")
      // A domain's query, exported by a module: whatever says its SQL.
      writeFileSync(
        join(queries, "domain.mjs"),
        "export const byKind = { toSql: () => ({ text: 'select id from events where kind = $1', values: [17] }) }\nexport const other = 7\n",
      )
      const baseline = join(folder, "plans.json")
      await expect(checkCommand(recorder(), queries, { databaseUrl, baseline })).rejects.toMatchObject({
        code: "E_UNSUPPORTED_INPUT",
      })
      expect(await checkCommand(recorder(), queries, { databaseUrl, baseline, update: true })).toBe(0)
      expect(await checkCommand(recorder(), queries, { databaseUrl, baseline })).toBe(0)
      expect(Object.keys(JSON.parse(await readFile(baseline, "utf8")).statements)).toEqual(["by-id", "domain.byKind"])
      const client = await database.client()
      await client.query("alter table events drop constraint events_pkey")
      const terminal = recorder()
      expect(await checkCommand(terminal, queries, { databaseUrl, baseline })).toBe(1)
      expect(terminal.text()).toContain("regressed")
      await client.query("alter table events add primary key (id)")
    })

    test("plan explains on a copy, and on a saved copy without the database", async () => {
      const saved = join(folder, "shadow.json")
      const terminal = recorder()
      const statements = file("plan.sql", `${query} select at from events where id = 9; select nothing from events`)
      expect(await planCommand(terminal, statements, { databaseUrl, shadow: true, save: saved, check: true })).toBe(1)
      expect(terminal.text()).toContain("Seq Scan on events")
      expect(terminal.text()).toMatch(/Index (Only )?Scan using events_pkey/)
      expect(terminal.text()).toContain("E_DATABASE")
      const offline = recorder()
      expect(await planCommand(offline, statements, { on: saved })).toBe(0)
      expect(offline.text()).toContain("Seq Scan on events")
      expect(await readFile(saved, "utf8")).not.toContain("xxxxxxxx")
      await expect(planCommand(recorder(), statements, { databaseUrl })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
    })

    test("advise changes nothing, prints a migration, and builds when told to", async () => {
      const workload = file("workload.sql", `${query}\nselect at from events where id = 3;`)
      const client = await database.client()
      const indexes = async (): Promise<string[]> =>
        (await client.query("select indexname from pg_indexes where tablename = 'events' order by 1")).rows.map(
          (row) => row.indexname,
        )
      const terminal = recorder()
      expect(await adviseCommand(terminal, workload, { databaseUrl, check: true })).toBe(1)
      expect(terminal.text()).toMatch(/CREATE INDEX CONCURRENTLY events_kind_idx ON public\.events \(kind\)/)
      expect(terminal.text()).toContain("already_optimal")
      expect(await indexes()).toEqual(["events_pkey"])
      const migration = recorder()
      await adviseCommand(migration, workload, { databaseUrl, format: "sql" })
      expect(migration.text()).toMatch(/^CREATE INDEX CONCURRENTLY/m)
      const built = recorder()
      expect(await adviseCommand(built, workload, { databaseUrl, apply: true, yes: true })).toBe(0)
      expect(built.text()).toContain("done (")
      expect(await indexes()).toEqual(["events_kind_idx", "events_pkey"])
      const again = recorder()
      expect(await adviseCommand(again, workload, { databaseUrl, check: true })).toBe(0)
      expect(again.text()).toContain("No index is worth its cost.")
      await expect(adviseCommand(recorder(), workload, { databaseUrl, format: "cobol" })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
      })
    })
  })
