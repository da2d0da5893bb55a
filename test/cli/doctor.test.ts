import { randomBytes } from "node:crypto"
import { beforeAll, describe, expect, test } from "vitest"
import { migrate, track } from "../../src/changes/index.ts"
import { doctorCommand } from "../../src/cli/doctor.ts"
import type { Terminal } from "../../src/cli/terminal.ts"
import { uninstallCommand } from "../../src/cli/uninstall.ts"
import type { Diagnosis } from "../../src/client/diagnose.ts"
import { openDatabase } from "../../src/database/open.ts"
import { monitorComponent } from "../../src/monitor/history-schema.ts"
import { until } from "../changes/support.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"

function recorder(): Terminal & { readonly text: () => string; readonly json: () => unknown } {
  const out: string[] = []
  const notes: string[] = []
  return {
    text: () => [...out, ...notes].join("\n"),
    json: () => JSON.parse(out.join("\n")),
    out: (text) => void out.push(text),
    note: (text) => void notes.push(text),
    progress: () => {},
    width: 140,
    color: false,
  }
}

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`doctor and uninstall on PostgreSQL ${version}`, () => {
    const target = testDatabase({ version })
    let databaseUrl = ""
    const diagnosis = async (): Promise<Diagnosis> => {
      const terminal = recorder()
      await doctorCommand(terminal, { databaseUrl, json: true })
      return terminal.json() as Diagnosis
    }
    const install = async (url = databaseUrl): Promise<void> => {
      const database = openDatabase(url)
      await track(database, [{ table: "orders", keys: ["id"] }, "parts"], { notify: true, owner: "cache" })
      await migrate(database, [monitorComponent])
      await database.close()
    }
    beforeAll(async () => {
      databaseUrl = target.url
      const client = await target.client()
      await client.query(`create table orders (id int); create table parts (id int) partition by list (id);
        create table parts_1 partition of parts for values in (1)`)
    })

    test("a database that was never touched", async () => {
      const terminal = recorder()
      expect(await doctorCommand(terminal, { databaseUrl, check: true })).toBe(0)
      expect(terminal.text()).toContain("Nothing of ours is in this database.")
      expect(terminal.text()).toContain("Nothing is amiss.")
      expect(terminal.text()).toMatch(new RegExp(`PostgreSQL ${version}\\.\\d+, role postgres, a primary`))
      const gone = recorder()
      expect(await uninstallCommand(gone, { databaseUrl, yes: true })).toBe(0)
      expect(gone.text()).toContain("Nothing of ours")
    })

    test("everything of ours, what is tracked and for whom", async () => {
      await install()
      // Event triggers are relied on once every older transaction of the server has ended: those of other tests, too.
      await until("the event triggers to be relied on", async () => {
        await doctorCommand(recorder(), { databaseUrl, repair: true })
        return (await diagnosis()).tracking?.ddl === "events"
      })
      const terminal = recorder()
      expect(await doctorCommand(terminal, { databaseUrl, check: true })).toBe(0)
      for (const part of [
        "selecto.changes_log",
        "monitor_minute",
        "selecto_changes_ddl",
        "public.parts",
        "notify (id)",
        "changes 1, monitor 2",
      ])
        expect(terminal.text()).toContain(part)
      const { tracking, objects, components } = await diagnosis()
      expect(tracking).toMatchObject({ ddl: "events", relations: [{ name: "orders" }, { name: "parts", members: 2 }] })
      expect(objects.filter(({ kind }) => kind === "trigger")).toHaveLength(9)
      expect(components).toEqual([
        { name: "changes", installed: 1, known: 1 },
        { name: "monitor", installed: 2, known: 2 },
        { name: "views", installed: null, known: 1 },
      ])
    })

    test("a partition without its trigger is found, and put right", async () => {
      const client = await target.client()
      const { rows } = await client.query("select tgname as name from pg_trigger where tgrelid = 'parts_1'::regclass")
      await client.query(`drop trigger ${rows[0].name} on parts_1`)
      const terminal = recorder()
      expect(await doctorCommand(terminal, { databaseUrl, check: true })).toBe(1)
      expect(terminal.text()).toMatch(/warning: parts_1: A trigger is missing/)
      expect((await diagnosis()).findings.map(({ code }) => code)).toEqual(expect.arrayContaining(["drift_missing", "blind"]))
      expect(await doctorCommand(recorder(), { databaseUrl, check: true, repair: true })).toBe(0)
      expect((await diagnosis()).findings.map(({ code }) => code)).toEqual(["notify_prepared"])
    })

    test("a state of a newer version, and one of an older", async () => {
      const client = await target.client()
      await client.query("insert into selecto.migration values ('monitor', 99, 'of the future')")
      expect((await diagnosis()).findings.slice(0, 1)).toMatchObject([
        { code: "state_newer", severity: "error", object: "component monitor" },
      ])
      await client.query(
        "delete from selecto.migration where version = 99; insert into selecto.migration values ('unheard', 1, 'x')",
      )
      expect((await diagnosis()).findings.slice(0, 1)).toMatchObject([{ code: "state_newer", object: "component unheard" }])
      await client.query("delete from selecto.migration where component = 'unheard'")
    })

    test("uninstall asks, and without a terminal or --yes changes nothing", async () => {
      const before = (await diagnosis()).objects.length
      await expect(uninstallCommand(recorder(), { databaseUrl })).rejects.toMatchObject({ code: "E_INVALID_OPTION" })
      expect((await diagnosis()).objects.length).toBe(before)
      const terminal = recorder()
      expect(await uninstallCommand(terminal, { databaseUrl, yes: true })).toBe(0)
      expect(terminal.text()).toContain(`${before} dropped`)
      expect((await diagnosis()).objects).toEqual([])
    })

    test("what cannot go is told, and the exit code says so", async () => {
      await install()
      const client = await target.client()
      await client.query("create view mine as select * from selecto.monitor_hour")
      const terminal = recorder()
      expect(await uninstallCommand(terminal, { databaseUrl, yes: true })).toBe(1)
      expect(terminal.text()).toMatch(/not dropped: table selecto.monitor_hour: .*depend/)
      await client.query("drop view mine")
      expect(await uninstallCommand(recorder(), { databaseUrl, yes: true, json: true })).toBe(0)
    })

    test("--grants prints roles that suffice, and no more", async () => {
      const tail = randomBytes(4).toString("hex")
      const client = await target.client()
      const names = { owner: `o_${tail}`, keeper: `k_${tail}`, user: `u_${tail}` }
      await client.query(`create role ${names.owner}; create role ${names.keeper} login; create role ${names.user} login;
        alter table orders owner to ${names.owner}; alter table parts owner to ${names.owner}; alter table parts_1 owner to ${names.owner}`)
      const script = async (): Promise<string> => {
        const terminal = recorder()
        expect(await doctorCommand(terminal, { databaseUrl, grants: true })).toBe(0)
        // Roles are the server's: two test runs must not meet.
        return terminal
          .text()
          .replaceAll("selecto_keeper", `selecto_keeper_${tail}`)
          .replaceAll("selecto_user", `selecto_user_${tail}`)
      }
      try {
        const first = await script()
        expect(first).not.toMatch(/superuser;|GRANT postgres/i)
        expect(first).toContain(`GRANT ${names.owner} TO selecto_keeper_${tail}`)
        await client.query(first)
        await client.query(`grant selecto_keeper_${tail} to ${names.keeper}; grant selecto_user_${tail} to ${names.user}`)
        await install(databaseUrl.replace("postgres@", `${names.keeper}@`))
        const again = (await script()).split("\n").filter((line) => !/^CREATE (ROLE|SCHEMA)/.test(line))
        await client.query(again.join("\n"))
        const as = recorder()
        expect(await doctorCommand(as, { databaseUrl: databaseUrl.replace("postgres@", `${names.user}@`), json: true })).toBe(0)
        const { tracking, findings, capabilities } = as.json() as Diagnosis
        expect(tracking?.relations.map(({ name }) => name)).toEqual(["orders", "parts"])
        expect(findings.filter(({ severity }) => severity === "error")).toEqual([])
        expect(capabilities.rights.statistics.granted).toBe(true)
      } finally {
        await client.query(`drop owned by ${names.keeper}, ${names.user} cascade`)
        await uninstallCommand(recorder(), { databaseUrl, yes: true })
        await client.query(`drop schema if exists selecto cascade; drop table orders, parts;
          drop owned by ${names.owner}, selecto_keeper_${tail}, selecto_user_${tail} cascade;
          drop role ${names.owner}, ${names.keeper}, ${names.user}, selecto_keeper_${tail}, selecto_user_${tail}`)
      }
    })

    test("a role that may not read the state is told so, with the way to the GRANT", async () => {
      const role = `s_${randomBytes(4).toString("hex")}`
      const client = await target.client()
      await client.query(
        `create table if not exists orders (id int); create table if not exists parts (id int); create role ${role} login`,
      )
      await install()
      const terminal = recorder()
      expect(await doctorCommand(terminal, { databaseUrl: databaseUrl.replace("postgres@", `${role}@`), check: true })).toBe(1)
      expect(terminal.text()).toContain("selecto doctor --grants")
      expect(terminal.text()).toContain(`GRANT pg_read_all_stats TO ${role}`)
      await uninstallCommand(recorder(), { databaseUrl, yes: true })
      await client.query(`drop role ${role}`)
    })
  })
