import { describe, expect, onTestFinished, test } from "vitest"
import { monitorCommand } from "../../src/cli/monitor.ts"
import type { Terminal } from "../../src/cli/terminal.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"

function recorder(): Terminal & { readonly lines: string[] } {
  const lines: string[] = []
  return { lines, out: (text) => void lines.push(text), note: () => {}, progress: () => {}, width: 140, color: false }
}

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`selecto monitor on PostgreSQL ${version}`, () => {
    const database = testDatabase({ version })

    test("shows statements by their rate, waits, the tree of locks, and alerts", async () => {
      const client = await database.client()
      await client.query(
        "create extension pg_stat_statements; create table film as select n as id from generate_series(1, 1000) n",
      )
      const text = "select count(*) from film where id > $1"
      for (let n = 0; n < 5; n++) await client.query(text, [n])
      const [holder, waiter] = [await database.client(), await database.client()]
      await holder.query("begin; lock table film in share row exclusive mode")
      const waiting = waiter.query("begin; lock table film in share row exclusive mode")
      onTestFinished(async () => {
        await holder.query("rollback")
        await waiting
        await waiter.query("rollback")
      })
      let done = false
      const load = (async () => {
        while (!done) await client.query(text, [1])
      })()
      const terminal = recorder()
      const options = { databaseUrl: database.url, once: true, interval: 1.5 }
      await monitorCommand(terminal, options)
      const [picture] = terminal.lines
      expect(picture).toContain(`${database.name} · PostgreSQL ${version}`)
      expect(picture).toMatch(/SELECT film +\d+ % +[\d.]+ +[\d.]+ ms/)
      expect(picture).toMatch(/active sessions: .*relation/)
      expect(picture).toMatch(
        /locks\n {2}pid \d+ postgres: idle in transaction.*\n {4}pid \d+ postgres: active.*waits \d+ s for ShareRowExclusiveLock on film/,
      )
      expect(picture).toContain("track_io_timing is off")
      const json = recorder()
      await monitorCommand(json, { ...options, json: true, by: "calls" })
      done = true
      await load
      const { statements, alerts, locks } = JSON.parse(json.lines[0]!)
      expect(statements.find((one: { summary: string }) => one.summary === "SELECT film").calls).toBeGreaterThan(10)
      expect(alerts).toEqual(expect.any(Array))
      expect(locks).toMatchObject({ waiting: 1 })
    })

    test("--check fails where an alert is firing that is more than a remark", async () => {
      const options = { databaseUrl: database.url, once: true, check: true, interval: 0.2 }
      expect(await monitorCommand(recorder(), options)).toBe(0)
      const client = await database.client()
      await client.query("create sequence full_seq maxvalue 100; select setval('full_seq', 95)")
      const terminal = recorder()
      expect(await monitorCommand(terminal, options)).toBe(1)
      expect(terminal.lines[0]).toContain("critical: The sequence public.full_seq is at 95 of 100")
    })

    test("a server on which nothing runs has no table", async () => {
      const terminal = recorder()
      await monitorCommand(terminal, { databaseUrl: database.url, once: true, interval: 0.2 })
      expect(terminal.lines[0]).toMatch(/\nNo statement ran in these 0\.\d s\.|\nNo statements: /)
    })

    test("Ctrl-C ends it, and nothing of it is left on the server", async () => {
      const end = new AbortController()
      const terminal = { ...recorder(), out: () => end.abort() }
      expect(await monitorCommand(terminal, { databaseUrl: database.url, interval: 0.1, signal: end.signal })).toBe(0)
    })

    test("what is wrong is refused", async () => {
      const options = { databaseUrl: database.url, once: true }
      await expect(monitorCommand(recorder(), { ...options, by: "luck" })).rejects.toMatchObject({
        code: "E_INVALID_OPTION",
        path: "by",
      })
      await expect(monitorCommand(recorder(), { ...options, interval: "soon" })).rejects.toMatchObject({ path: "interval" })
      await expect(
        monitorCommand(recorder(), { databaseUrl: "postgresql://postgres@127.0.0.1:9/none", once: true }),
      ).rejects.toMatchObject({
        code: "E_CONNECTION",
      })
    })
  })

test("prints the alert rules for Prometheus without a database", async () => {
  const terminal = recorder()
  expect(await monitorCommand(terminal, { prometheusRules: true })).toBe(0)
  expect(terminal.lines.join("\n")).toContain('alert: "SelectoLockWait"')
})
