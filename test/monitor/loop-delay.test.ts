import { expect, test, vi } from "vitest"
import { createMonitor } from "../../src/monitor/index.ts"

test("a program that blocks its own event loop sees it beside its queries' times", async () => {
  const { service: monitor } = createMonitor()
  await vi.waitUntil(() => (monitor.health().eventLoopDelay?.n ?? 0) > 0, { timeout: 10_000, interval: 5 })
  const blockedMs = 250
  const until = performance.now() + blockedMs
  while (performance.now() < until);
  await vi.waitUntil(() => monitor.health().eventLoopDelay!.max > blockedMs / 2, { timeout: 10_000, interval: 5 })
  const delay = monitor.health().eventLoopDelay!
  expect(delay).toMatchObject({ source: "event-loop-delay", n: expect.any(Number) })
  // The interval between two samples is no delay.
  expect(delay.p50).toBeLessThan(delay.max)
  await monitor.close()
})

test("one that does not want it measured is told nothing", async () => {
  const { service: monitor } = createMonitor({ eventLoopDelay: false })
  expect(monitor.health().eventLoopDelay).toBeNull()
  await monitor.close()
})
