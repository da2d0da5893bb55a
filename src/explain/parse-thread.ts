import { parentPort, workerData } from "node:worker_threads"
import { type ErrorCode, isSelectoError } from "../errors.ts"
import { parsePlan } from "./parse.ts"
import type { Plan } from "./plan.ts"

export type ParseReply =
  | { readonly plan: Plan }
  | { readonly code: ErrorCode; readonly message: string; readonly line: number | undefined; readonly column: number | undefined }

const data = workerData as { readonly selectoPlan?: string } | null
// Imported anywhere else than in a thread made for it, this file does nothing.
if (parentPort !== null && typeof data?.selectoPlan === "string") parentPort.postMessage(answer(data.selectoPlan))

function answer(text: string): ParseReply {
  try {
    return { plan: parsePlan(text) }
  } catch (error) {
    if (!isSelectoError(error)) throw error
    return { code: error.code, message: error.message, line: error.line, column: error.column }
  }
}
