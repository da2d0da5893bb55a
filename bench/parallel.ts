// npm run bench:parallel -- [far] [cpu] [auto] [export]: the figures of running in parallel, minutes each.
import { cpus, loadavg } from "node:os"
import { print } from "./parallel/rounds.ts"
import type { BenchResult } from "./support/compare.ts"

const sections: Readonly<Record<string, () => Promise<BenchResult[]>>> = {
  far: async () => (await import("./parallel/far.ts")).farBench(),
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !(name in sections))
if (unknown.length > 0) {
  console.error(`No section is called ${unknown.join(", ")}. There are: ${Object.keys(sections).join(", ")}.`)
  process.exit(2)
}
console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? "?"}, load ${loadavg()[0]!.toFixed(1)}`)
for (const name of asked.length > 0 ? asked : Object.keys(sections)) for (const result of await sections[name]!()) print(result)
