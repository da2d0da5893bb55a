import { join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { expect, test } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const entries = ["src/index.ts", "src/pg.ts", "src/vitest.ts", "src/monitor/otel.ts", "src/monitor/prometheus.ts"]

interface Export {
  readonly name: string
  readonly file: string
  readonly isValue: boolean
  readonly doc: string
  readonly example: boolean
}

function exportsOf(entryFiles: readonly string[]): Export[] {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: ["vitest.config.ts"] }, ts.sys, root)
  const files = entryFiles.map((file) => join(root, file))
  const program = ts.createProgram(files, options)
  const checker = program.getTypeChecker()
  return files.flatMap((file) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!).map((exported) => {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      return {
        name: exported.name,
        file: symbol.declarations?.[0]?.getSourceFile().fileName.slice(root.length) ?? "?",
        isValue: (symbol.flags & ts.SymbolFlags.Value) !== 0,
        doc: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
        example: symbol.getJsDocTags().some((tag) => tag.name === "example"),
      }
    }),
  )
}

test("everything a user can import has a doc comment, and what goes into a query shows its SQL", { timeout: 120_000 }, () => {
  const all = exportsOf(entries)
  expect(all.length).toBeGreaterThan(300)
  const undocumented = all.filter(({ doc }) => doc === "").map(({ name, file }) => `${name} in ${file}`)
  expect(undocumented).toEqual([])
  const withoutSql = all
    .filter(({ file, isValue, doc, example }) => isValue && file.startsWith("src/query/") && !example && !doc.includes("`"))
    .map(({ name }) => name)
  // Rows and programs, not SQL.
  expect(withoutSql.sort()).toEqual(["ndjson", "toKysely", "tuples"])
})
