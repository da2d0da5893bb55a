import { monitorPorts } from "../../src/client/monitor-ports.ts"
import type { Database } from "../../src/database/database.ts"
import { createMonitor, type Monitor, type MonitorOptions } from "../../src/monitor/index.ts"
import { type TestClock, testClock } from "./clock.ts"

/** A monitor of a database whose clock stands still, and which does nothing by itself. */
export interface Watched {
  readonly monitor: Monitor
  readonly clock: TestClock
  /** A minute later: one round of the collector, of everything. */
  round(): Promise<void>
  /** A minute later: one round, and rules are judged. */
  judge(): Promise<void>
}

export function watched(database: Database, options: MonitorOptions = {}, clock: TestClock = testClock()): Watched {
  const { service: monitor } = createMonitor(
    { eventLoopDelay: false, logger: false, server: { texts: 0 }, plans: false, clock, ...options },
    monitorPorts(database),
  )
  const round = async (): Promise<void> => {
    clock.advance(60_000)
    await monitor.watch.collector!.collect()
  }
  return {
    monitor,
    clock,
    round,
    judge: async () => {
      await round()
      monitor.recorder.roll()
      await monitor.watch.evaluate()
      await monitor.watch.alerting.settled()
    },
  }
}
