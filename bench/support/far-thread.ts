import { parentPort, workerData } from "node:worker_threads"
import { startProxy } from "../../test/support/proxy.ts"

const { target, delayMs, bytesPerSecond } = workerData
const { port } = await startProxy(target, delayMs, bytesPerSecond)
parentPort!.postMessage(port)
