import { parentPort, workerData } from "node:worker_threads"
import type { ResultField } from "../database/database.ts"
import { jsonLines } from "./json-lines.ts"

const data = workerData as { readonly selectoJsonLines?: readonly ResultField[] } | null
// Imported anywhere else than in a thread made for it, this file does nothing.
if (parentPort !== null && Array.isArray(data?.selectoJsonLines)) {
  const port = parentPort
  const convert = jsonLines(data.selectoJsonLines)
  port.on("message", (bytes: Uint8Array) => {
    const lines = convert(bytes)
    // Nobody here looks at it again: its memory goes over instead of a copy.
    port.postMessage(lines, lines.byteLength === lines.buffer.byteLength ? [lines.buffer as ArrayBuffer] : [])
  })
}
