import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { expect, it } from "vitest"

const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, "../..")
const name = join(here, "completions-snippet.ts")
let text = ""
let version = 0

const read = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent({ ...read.config, include: [], files: ["vitest.config.ts"] }, ts.sys, root)
const service = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => [name],
  getScriptVersion: (file) => (file === name ? String(version) : "0"),
  getScriptSnapshot: (file) => {
    const content = file === name ? text : ts.sys.readFile(file)
    return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content)
  },
  getCurrentDirectory: () => root,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (file) => file === name || ts.sys.fileExists(file),
  readFile: ts.sys.readFile,
  readDirectory: ts.sys.readDirectory,
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories,
})

/** What an editor offers at `|`. */
function offered(code: string): string[] {
  const head = `import { coalesce, desc, eq, exists, gt, lower, nest, ref, sum } from "./surface.ts"\nimport { orders } from "./store.ts"\n`
  text = head + code.replace("|", "")
  version += 1
  const at = head.length + code.indexOf("|")
  return (service.getCompletionsAtPosition(name, at, {})?.entries ?? []).map((entry) => entry.name.replaceAll('"', ""))
}

it.each([
  ['orders.filter(eq("|", 1))', "customer.region", "card_number"],
  ['orders.select({ region: "|" })', "customer.region", "customer.email"],
  ['orders.select({ total: sum("|") })', "items.price", "status"],
  ['orders.select({ name: lower("|") })', "items.product", "total"],
  ['orders.having(gt(sum("|"), 1))', "total", "status"],
  ['orders.filter(eq(lower(coalesce("|", "x")), "y"))', "note", "card_number"],
  ['orders.filter(gt("total", ref("|")))', "weight", "card_number"],
  ['orders.orderBy(desc("|"))', "created_at", "card_number"],
  ['orders.filter({ "|": 1 })', "items.quantity", "card_number"],
  ['orders.filter({ rating: "|" })', "PG", "R"],
  ['orders.filter(exists("|"))', "items.suppliers", "status"],
  ['orders.filter(exists("items", { "|": 1 }))', "product", "status"],
  ['orders.select({ items: nest("items", { p: "|" }) })', "suppliers.name", "status"],
])("completes %s", (code, present, absent) => {
  const names = offered(code)
  expect(names).toContain(present)
  expect(names).not.toContain(absent)
})
