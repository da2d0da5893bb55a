/** `npm run check:views:mutants`: plants every known mistake in the matcher, one after the other. Exits 1 when one goes unnoticed. */
import { startServer, urlOf } from "../support/server.ts"
import { isNoticed, mutants } from "./mutants.ts"

const server = await startServer(Number(process.env.SELECTO_VERSION ?? 18))
let missed = 0
try {
  for (const mutant of mutants) {
    const noticed = await isNoticed(mutant, urlOf(server, "postgres"), Number(process.env.SELECTO_SEED ?? 2))
    if (!noticed) missed++
    console.log(`${noticed ? "noticed  " : "UNNOTICED"} ${mutant.name}`)
  }
} finally {
  await server.stop()
}
console.log(`${mutants.length - missed} of ${mutants.length} mutants noticed`)
process.exit(missed === 0 ? 0 : 1)
