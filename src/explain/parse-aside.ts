import { Worker } from "node:worker_threads"
import { SelectoError } from "../errors.ts"
import { parsePlan } from "./parse.ts"
import type { ParseReply } from "./parse-thread.ts"
import type { Plan } from "./plan.ts"

/** Longer texts take more than some ten milliseconds: they are read beside the event loop. */
const aside = 1_000_000

/** As {@link parsePlan}, but a long text is read in a thread of its own, so that the program goes on meanwhile. */
export async function parsePlanAside(text: string): Promise<Plan> {
  // A runner that takes types away does so in this thread only.
  if (text.length < aside || import.meta.url.endsWith(".ts")) return parsePlan(text)
  const worker = new Worker(new URL("./parse-thread.js", import.meta.url), { workerData: { selectoPlan: text } })
  try {
    const reply = await new Promise<ParseReply>((resolve, reject) => {
      worker.once("message", resolve)
      worker.once("error", reject)
      worker.once("exit", () =>
        reject(new SelectoError("E_PLAN_SYNTAX", "The plan could not be read: the thread that read it ended.")),
      )
    })
    if ("plan" in reply) return reply.plan
    throw new SelectoError(reply.code, reply.message, { line: reply.line, column: reply.column })
  } finally {
    await worker.terminate()
  }
}
