// Plants a fault in one source file of this process, for proofs that a check can fail. Registered after register.mjs, by
// `node --import ./test/support/register.mjs --import ./test/support/mutant.mjs`, with SELECTO_MUTANT={"file","find","replace"}.
import { register } from "node:module"
import { isMainThread } from "node:worker_threads"

const planted = process.env.SELECTO_MUTANT === undefined ? null : JSON.parse(process.env.SELECTO_MUTANT)

export async function load(url, context, next) {
  const result = await next(url, context)
  if (planted === null || !url.split("?")[0].endsWith(planted.file)) return result
  const source = Buffer.from(result.source).toString()
  if (source.split(planted.find).length !== 2) throw new Error(`The mutant of ${planted.file} does not find its place.`)
  return { ...result, source: source.replace(planted.find, () => planted.replace) }
}

// The hooks run in a thread of their own, where this file is loaded again.
if (planted !== null && isMainThread) register(import.meta.url)
