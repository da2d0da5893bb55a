// Compiles the type tests against our declarations with the oldest TypeScript that the package promises to support.
// Beside the test run, because two versions of `typescript` in one package.json fight over the name `tsc`.
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const oldest = process.argv[2] ?? "5.4.5"
const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, "../..")
const place = join(root, "node_modules/.cache/selecto-oldest")
const tests = join(place, "test/types")

/** Exit code of one compiler run. */
function compile(...options) {
  try {
    execFileSync(
      "npx",
      ["--yes", "--package", `typescript@${oldest}`, "tsc", "-p", join(tests, "tsconfig.oldest.json"), ...options],
      { stdio: ["ignore", "inherit", "ignore"] },
    )
    return 0
  } catch (error) {
    return error.status ?? 1
  }
}

rmSync(place, { recursive: true, force: true })
mkdirSync(tests, { recursive: true })
copyFileSync(join(root, "package.json"), join(place, "package.json"))
const surface = [...readFileSync(join(here, "surface.ts"), "utf8").matchAll(/from "(.+)"/g)].map(([, module]) =>
  resolve(here, module),
)
writeFileSync(
  join(place, "tsconfig.json"),
  JSON.stringify({
    extends: join(root, "tsconfig.build.json"),
    compilerOptions: { emitDeclarationOnly: true, rootDir: join(root, "src"), outDir: join(place, "src") },
    include: [],
    files: surface,
  }),
)
execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", place], { stdio: "inherit" })
for (const file of ["rows.ts", "store.ts", "surface.ts", "tsconfig.oldest.json"])
  copyFileSync(join(here, file), join(tests, file))

let failed = 0
const expect = (what, passed) => {
  console.log(`${passed ? "ok    " : "FAILED"} TypeScript ${oldest}: ${what}`)
  if (!passed) failed += 1
}
expect("rows, exactOptionalPropertyTypes off", compile("--exactOptionalPropertyTypes", "false") === 0)
expect("rows, exactOptionalPropertyTypes on", compile("--exactOptionalPropertyTypes", "true") === 0)
// The check itself must be able to fail.
writeFileSync(join(tests, "rows.ts"), readFileSync(join(here, "rows.ts"), "utf8").replace("string | null", "string"))
console.log("(an error is expected here)")
expect("a wrong row is refused", compile() !== 0)
process.exitCode = failed === 0 ? 0 : 1
