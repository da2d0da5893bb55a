import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, onTestFinished, test } from "vitest"
import type { Alert } from "../../../src/monitor/alerts/alert.ts"
import type { AlertChannel, AlertNotification } from "../../../src/monitor/alerts/channel.ts"
import { alertLine, detailLines } from "../../../src/monitor/alerts/channels/lines.ts"
import { Outbox } from "../../../src/monitor/alerts/outbox.ts"
import { slack, type WebhookBody, webhook } from "../../../src/monitor/index.ts"

const alert: Alert = {
  id: "0123456789abcdef",
  type: "slow_query",
  state: "firing",
  severity: "warning",
  database: "shop",
  fingerprint: "5e24b96f2ee7e509",
  subject: null,
  value: 6000,
  threshold: 5000,
  unit: "ms",
  since: new Date(0),
  firedAt: new Date(60_000),
  resolvedAt: null,
  summary: "SELECT orders (5e24b96f2ee7e509) took 6 s.",
  advice: "Look at its plan & <think>.",
  evidence: { calls: 1, tree: ["pid 1", "  pid 2"] },
  recommendations: [
    {
      schema: "public",
      table: "orders",
      columns: ["customer_id"],
      sql: "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id)",
      reason: "It serves one statement.",
      confidence: "verified",
      priority: "high",
      sizeBytes: 1,
      evidence: { planner: "shadow", costBefore: 10, costAfter: 1 },
    },
  ],
  issues: null,
  actionError: null,
  silenced: false,
}
const over: Alert = { ...alert, state: "resolved", resolvedAt: new Date(660_000) }
const one: AlertNotification = { alerts: [{ alert, change: "firing" }], omitted: 0 }

interface Receiver {
  readonly url: string
  readonly bodies: unknown[]
  readonly headers: IncomingMessage["headers"][]
  answer: (response: ServerResponse, n: number) => void
}

async function receiver(answer: Receiver["answer"] = (response) => response.end()): Promise<Receiver> {
  const bodies: unknown[] = []
  const headers: IncomingMessage["headers"][] = []
  const state = { bodies, headers, answer, url: "" }
  const server: Server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => {
      body += chunk
    })
    request.on("end", () => {
      bodies.push(JSON.parse(body))
      headers.push(request.headers)
      state.answer(response, bodies.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-token`
  return state
}

const quick = { firstPauseMs: 1, timeoutMs: 200 }

function outbox(channel: AlertChannel, times = quick): Outbox {
  const box = new Outbox(channel, times)
  onTestFinished(() => box.close())
  return box
}

describe("a webhook", () => {
  test("gets what Alertmanager would post", async () => {
    const { url, bodies, headers } = await receiver()
    await webhook(url, { headers: { authorization: "Bearer x" } }).send(one, { signal: AbortSignal.timeout(5000) })
    expect(headers[0]).toMatchObject({ "content-type": "application/json", authorization: "Bearer x" })
    expect(bodies).toEqual([
      {
        version: "4",
        groupKey: '{}:{alertname="slow_query"}',
        truncatedAlerts: 0,
        status: "firing",
        receiver: "selecto-pg",
        groupLabels: { alertname: "slow_query" },
        commonLabels: { alertname: "slow_query", severity: "warning", database: "shop", fingerprint: "5e24b96f2ee7e509" },
        commonAnnotations: expect.objectContaining({ summary: alert.summary }),
        externalURL: "",
        alerts: [
          {
            status: "firing",
            labels: { alertname: "slow_query", severity: "warning", database: "shop", fingerprint: "5e24b96f2ee7e509" },
            annotations: {
              summary: alert.summary,
              description: alert.advice,
              value: "6000",
              threshold: "5000",
              unit: "ms",
              recommendations: "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id); -- verified",
              tree: "pid 1\n  pid 2",
            },
            startsAt: "1970-01-01T00:01:00.000Z",
            endsAt: "0001-01-01T00:00:00Z",
            generatorURL: "",
            fingerprint: "0123456789abcdef",
          },
        ],
      },
    ])
  })

  test("of several alerts the common labels are those that all have; the end has its time", async () => {
    const { url, bodies } = await receiver()
    const other: Alert = { ...over, fingerprint: "ffff", id: "2" }
    const notification: AlertNotification = {
      alerts: [
        { alert: over, change: "resolved" },
        { alert: other, change: "resolved" },
      ],
      omitted: 3,
    }
    await webhook(url).send(notification, { signal: AbortSignal.timeout(5000) })
    const body = bodies[0] as WebhookBody
    expect(body).toMatchObject({ status: "resolved", truncatedAlerts: 3 })
    expect(body.commonLabels).toEqual({ alertname: "slow_query", severity: "warning", database: "shop" })
    expect(body.alerts.map(({ endsAt }) => endsAt)).toEqual(["1970-01-01T00:11:00.000Z", "1970-01-01T00:11:00.000Z"])
  })

  test("an address that is none is refused at once, and nowhere is it shown whole", async () => {
    for (const bad of ["", "hooks.example.com/secret", "ftp://example.com/secret"])
      expect(() => webhook(bad)).toThrow(
        expect.objectContaining({ code: "E_INVALID_OPTION", message: expect.not.stringContaining("secret") }),
      )
    const { url } = await receiver((response) => response.writeHead(500).end())
    const channel = webhook(url)
    expect(channel.name).not.toContain("secret")
    await expect(channel.send(one, { signal: AbortSignal.timeout(5000) })).rejects.toThrow(/answered 500$/)
    await expect(webhook("http://127.0.0.1:9/secret").send(one, { signal: AbortSignal.timeout(5000) })).rejects.toThrow(
      /^127\.0\.0\.1:9 could not be reached/,
    )
  })
})

describe("slack", () => {
  test("gets the line and what to do, with its own characters escaped", async () => {
    const { url, bodies } = await receiver()
    await slack(url).send(one, { signal: AbortSignal.timeout(5000) })
    const { text, blocks } = bodies[0] as { text: string; blocks: { text: { text: string } }[] }
    expect(text).toBe("selecto alert slow_query on shop (warning): SELECT orders (5e24b96f2ee7e509) took 6 s.")
    expect(blocks[0]!.text.text).toContain("Look at its plan &amp; &lt;think&gt;.")
    expect(blocks[0]!.text.text).toContain("(verified) It serves one statement.")
  })

  test("keeps to the limits of a message", async () => {
    const { url, bodies } = await receiver()
    const long: Alert = { ...alert, advice: "x".repeat(10_000) }
    const alerts = Array.from({ length: 80 }, () => ({ alert: long, change: "firing" as const }))
    await slack(url).send({ alerts, omitted: 5 }, { signal: AbortSignal.timeout(5000) })
    const { blocks } = bodies[0] as { blocks: { text: { text: string } }[] }
    expect(blocks).toHaveLength(50)
    expect(Math.max(...blocks.map(({ text }) => text.text.length))).toBeLessThanOrEqual(3000)
    expect(blocks.at(-1)!.text.text).toBe("… and 36 more of the same kind.")
  })
})

test("lines say how long it lasted, and what was found out", () => {
  expect(alertLine(over, "resolved")).toBe(
    "selecto resolved slow_query on shop after 10 min: SELECT orders (5e24b96f2ee7e509) took 6 s.",
  )
  expect(alertLine(alert, "repeat")).toContain("(warning, still)")
  expect(detailLines({ ...alert, recommendations: [], issues: [], actionError: "It was too busy." })).toEqual(
    expect.arrayContaining([
      "The index advisor found no index that would help.",
      "Nothing is wrong in its plan.",
      "It was too busy.",
    ]),
  )
})

describe("an outbox", () => {
  test("tries again while the answer is 500, and keeps the order", async () => {
    const state = await receiver((response, n) => response.writeHead(n <= 3 ? 500 : 200).end())
    const box = outbox(webhook(state.url))
    box.put(one)
    box.put({ alerts: [{ alert: over, change: "resolved" }], omitted: 0 })
    await box.settled()
    expect(state.bodies.map((body) => (body as WebhookBody).status)).toEqual(["firing", "firing", "firing", "firing", "resolved"])
    expect(box.health()).toMatchObject({ sent: 2, failed: 3, dropped: 0, waiting: 0, lastError: null })
  })

  test("what is refused is not sent again", async () => {
    const state = await receiver((response) => response.writeHead(410).end())
    const box = outbox(webhook(state.url))
    box.put(one)
    await box.settled()
    expect(state.bodies).toHaveLength(1)
    expect(box.health()).toMatchObject({ sent: 0, failed: 1, dropped: 1, lastError: expect.stringMatching(/answered 410$/) })
  })

  test("a channel that never answers is given up for this time, and tried again", async () => {
    const state = await receiver((response, n) => {
      if (n > 1) response.end()
    })
    const box = outbox(webhook(state.url))
    box.put(one)
    await box.settled()
    expect(box.health()).toMatchObject({ sent: 1, failed: 1 })
  })

  test("one of the user's own that heeds no signal blocks nobody either", async () => {
    let calls = 0
    const box = outbox({ name: "deaf", send: () => (++calls === 1 ? new Promise(() => {}) : Promise.resolve()) })
    box.put(one)
    await box.settled()
    expect(box.health()).toMatchObject({ sent: 1, failed: 1 })
  })

  test("what never arrives is given up after a dozen attempts; of too many waiting the oldest make room", async () => {
    const failing: AlertChannel = { name: "gone", send: () => Promise.reject(new Error("gone")) }
    const box = outbox(failing)
    box.put(one)
    await box.settled()
    expect(box.health()).toMatchObject({ failed: 12, dropped: 1, waiting: 0, lastError: "gone" })
    const stuck = outbox({ name: "stuck", send: () => new Promise(() => {}) })
    for (let n = 0; n < 150; n++) stuck.put(one)
    expect(stuck.health()).toMatchObject({ waiting: 100, dropped: 50 })
  })

  test("closing drops what waits, and waits for what is on its way", async () => {
    const state = await receiver((response) => response.writeHead(500).end())
    const box = new Outbox(webhook(state.url), { firstPauseMs: 3_600_000, timeoutMs: 1000 })
    box.put(one)
    box.put(one)
    await expect.poll(() => box.health().failed).toBe(1)
    await box.close()
    expect(box.health()).toMatchObject({ waiting: 0, dropped: 2 })
    box.put(one)
    expect(box.health().waiting).toBe(0)
  })

  test("signs of life do not pile up", async () => {
    const beats: Date[] = []
    let free = (): void => {}
    const box = outbox({
      name: "heart",
      send: () => Promise.resolve(),
      beat: (at) => {
        beats.push(at)
        return new Promise((resolve) => {
          free = resolve
        })
      },
    })
    for (let n = 0; n < 5; n++) box.beat(new Date(n), one)
    expect(beats).toEqual([new Date(0)])
    free()
    await expect.poll(() => box.health().sent).toBe(1)
    box.beat(new Date(9), one)
    expect(beats).toHaveLength(2)
    free()
  })

  test("a webhook's sign of life is an alert that always fires", async () => {
    const state = await receiver()
    const box = outbox(webhook(state.url))
    box.beat(new Date(0), one)
    await expect.poll(() => state.bodies.length).toBe(1)
    expect(state.bodies[0]).toMatchObject({ status: "firing", alerts: [{ labels: { alertname: "selecto_heartbeat" } }] })
  })
})
