// What the published package promises: it resolves under every module mode that ESM has, its types too, it is small, and importing
// it loads none of the optional dependencies.
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const maximumBytes = 1_000_000
const manifest = JSON.parse(readFileSync("package.json", "utf8"))
const folder = mkdtempSync(join(tmpdir(), "selecto-package-"))
const problems = []

function run(command, args) {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
}

function check(name, work) {
  try {
    console.log(`${name}: ${work() ?? "ok"}`)
  } catch (error) {
    problems.push(name)
    console.log(`${name}: FAILED\n${error.stdout ?? ""}${error.stderr ?? ""}${error.stdout === undefined ? error.message : ""}`)
  }
}

try {
  run("npm", ["run", "--silent", "build"])
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder]))
  const tarball = join(folder, packed.filename)
  check("size of the package", () => {
    if (packed.size > maximumBytes) throw new Error(`${packed.size} bytes, more than ${maximumBytes}`)
    return `${packed.size} bytes packed, ${packed.entryCount} files`
  })
  check("only what is meant to be published", () => {
    const other = packed.files
      .map((file) => file.path)
      .filter((path) => !/^(dist\/|README\.md$|LICENSE$|package\.json$)/.test(path))
    if (other.length > 0) throw new Error(other.join(", "))
  })
  check("publint", () => void run("npx", ["publint", tarball, "--strict"]))
  check("types resolve", () => void run("npx", ["attw", tarball, "--profile", "esm-only"]))
  check("exports exist", () => {
    for (const [path, target] of Object.entries(manifest.exports))
      for (const file of typeof target === "string" ? [target] : Object.values(target))
        if (!existsSync(file)) throw new Error(`${path} points to ${file}, which the build did not make`)
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const optional = [...Object.keys(manifest.optionalDependencies ?? {}), ...Object.keys(manifest.peerDependencies ?? {})]
const files = run(process.execPath, ["--input-type=module", "-e", loadedFiles(), pathToFileURL("dist/index.js").href]).split("\n")
check("the list of loaded files is one", () => {
  if (!files.some((file) => file.endsWith("/dist/client/connect.js"))) throw new Error("importing the package listed nothing")
  return `${files.length} files`
})
check("importing the package loads no optional dependency", () => {
  const loaded = optional.filter((name) => files.some((file) => file.includes(`/node_modules/${name}/`)))
  if (loaded.length > 0) throw new Error(loaded.join(", "))
})

/** A program that imports its argument and prints the address of every module on the way. */
function loadedFiles() {
  return `
    import { register } from "node:module"
    const { port1, port2 } = new MessageChannel()
    port1.on("message", (url) => console.log(url))
    port1.unref()
    register("data:text/javascript," + encodeURIComponent(
      "let port; export function initialize(data) { port = data.port } " +
      "export async function resolve(s, c, n) { const r = await n(s, c); port.postMessage(r.url); return r }"),
      { data: { port: port2 }, transferList: [port2] })
    await import(process.argv[1])
    await new Promise((done) => setTimeout(done, 100))`
}

if (problems.length > 0) {
  console.log(`\n${problems.length} of the package's promises are broken: ${problems.join(", ")}`)
  process.exitCode = 1
}
