import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, onTestFinished, test } from "vitest"
import { type Alert, connect, webhook } from "../../src/index.ts"
import type { WebhookBody } from "../../src/monitor/index.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { testDatabase } from "../support/test-database.ts"

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`a monitored connection, PostgreSQL ${version}`, () => {
    const database = testDatabase({ version })

    test("alerts as the guide has them: a slow query reaches listener, log and webhook by itself", async () => {
      const bodies: WebhookBody[] = []
      const receiver = createServer((request, response) => {
        let body = ""
        request.on("data", (chunk) => {
          body += chunk
        })
        request.on("end", () => {
          bodies.push(JSON.parse(body))
          response.end()
        })
      })
      await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve))
      onTestFinished(async () => {
        receiver.closeAllConnections()
        await new Promise((resolve) => receiver.close(resolve))
      })
      const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
      const lines: string[] = []
      const alerts: Alert[] = []
      const selecto = connect(database.url, {
        monitor: {
          slowQueryMs: 100,
          alerts: [{ type: "slow_query", threshold: 300, action: "log_and_notify" }],
          notify: [webhook(url)],
          logger: { warn: (line) => lines.push(line), info: (line) => lines.push(line) },
        },
      })
      selecto.monitor.on("alert", (alert) => alerts.push(alert))
      await selecto.statement("select pg_sleep($1)", [0.4]).execute()
      await expect.poll(() => bodies.length, { timeout: 20_000 }).toBe(1)
      expect(alerts).toMatchObject([{ type: "slow_query", severity: "warning", state: "firing", database: database.name }])
      expect(bodies[0]).toMatchObject({ status: "firing", commonLabels: { alertname: "slow_query", database: database.name } })
      expect(lines).toEqual([expect.stringContaining(`selecto alert slow_query on ${database.name} (warning)`)])
      expect(selecto.monitor.alerts()).toMatchObject([{ type: "slow_query" }])
      // The server is asked by itself, since there are alerts.
      await expect.poll(() => selecto.monitor.health().collector!.state, { timeout: 20_000 }).toBe("collecting")
      // The receiver has it a moment before the sender knows.
      await expect
        .poll(() => selecto.monitor.health().channels)
        .toMatchObject([{ sent: 1, failed: 0, channel: expect.stringMatching(/^webhook 127/) }])
      await selecto.close()
    })

    test("monitor: true records, and asks the server nothing", async () => {
      await using selecto = connect(database.url, { monitor: true })
      expect(selecto.monitor.health()).toMatchObject({ collector: null, plans: null, channels: [], blind: [] })
      expect(selecto.monitor.watch.active).toBe(false)
      expect(selecto.monitor.server()).toBeNull()
    })

    test("the advisor takes what the monitor has seen for its workload", async () => {
      await using selecto = connect(database.url, { monitor: { eventLoopDelay: false } })
      await selecto.statement("create table film (id int, title text)").execute()
      await selecto.statement("insert into film select n, 'f' || n from generate_series(1, 50000) n").execute()
      await selecto.statement("analyze film").execute()
      for (let n = 0; n < 5; n++) await selecto.statement("select title from film where id = $1", [n]).execute()
      await selecto.monitor.ready()
      const { recommendations } = await selecto.indexes.advise("monitor")
      expect(recommendations).toMatchObject([{ table: "film", columns: ["id"], confidence: "verified" }])
    })

    test("options that make no sense are refused when the connection is made", () => {
      const wrong = (monitor: object) => () => connect(database.url, { monitor: monitor as never })
      expect(wrong({ alerts: [{ type: "slow" }] })).toThrow(
        expect.objectContaining({ code: "E_INVALID_OPTION", path: "monitor.alerts[0].type" }),
      )
      expect(wrong({ notify: ["https://example.com"] })).toThrow(expect.objectContaining({ path: "monitor.notify[0]" }))
      expect(wrong({ heartbeat: {} })).toThrow(expect.objectContaining({ path: "monitor.heartbeat" }))
      expect(wrong({ server: { interval: "often" } })).toThrow(expect.objectContaining({ path: "monitor.server.interval" }))
      expect(wrong({ alertTimes: { clear: -1 } })).toThrow(expect.objectContaining({ path: "monitor.alertTimes.clear" }))
    })
  })
