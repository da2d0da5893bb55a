// A process that writes history as fast as it can, minute after minute, until it is killed: `killed-writer.ts <url> <source>`.
import { openDatabase } from "../../src/database/open.ts"
import { History } from "../../src/monitor/history.ts"
import { createMonitor } from "../../src/monitor/index.ts"
import { testClock } from "./clock.ts"

const [, , url, source] = process.argv
const clock = testClock(Date.UTC(2026, 0, 1, 12, 0, 30))
const { service: monitor } = createMonitor({ eventLoopDelay: false, clock })
const history = new History(openDatabase(url!, { applicationName: "killed writer" }), monitor, { source: source! })
history.start()
for (let minute = 0; ; minute++) {
  // One of them is new each minute, so that each write has two statements.
  for (const text of ["select * from a", "select * from b", `select column_${minute} from a`])
    monitor.recorder.record(text, 1, 0, 1, 0, 1, -1, null, null, "statement", null)
  await monitor.ready()
  clock.advance(60_000)
  monitor.recorder.roll()
  await history.flush()
}
