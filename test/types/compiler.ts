// Runs the compiler on snippets that never touch the disk: for the text of errors, and for the work that types cost.
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const here = dirname(fileURLToPath(import.meta.url))
const root = resolve(here, "../..")
const sources = new Map<string, ts.SourceFile | undefined>()

export interface Checked {
  /** One entry per diagnostic: its line in the snippet (from 1), its code, and its text, a line per nested reason. */
  readonly errors: readonly { readonly file: string; readonly line: number; readonly code: number; readonly text: string }[]
  /** Type instantiations of the whole program, libraries included. */
  readonly instantiations: number
  readonly milliseconds: number
  /** The declaration file of each snippet, where `declaration` was asked for. */
  readonly declarations: ReadonlyMap<string, string>
}

/** Checks snippets as if they were files of test/types; `options` go over the project's own. */
export function check(snippets: Readonly<Record<string, string>>, options: ts.CompilerOptions = {}): Checked {
  const read = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile)
  const config = ts.parseJsonConfigFileContent({ ...read.config, include: [], files: ["vitest.config.ts"] }, ts.sys, root)
  const compilerOptions: ts.CompilerOptions = { ...config.options, noUnusedLocals: false, ...options }
  const host = ts.createCompilerHost(compilerOptions)
  const virtual = new Map(Object.entries(snippets).map(([name, text]) => [join(here, name), text]))
  const declarations = new Map<string, string>()
  const { fileExists, getSourceFile, readFile } = host
  host.fileExists = (name) => virtual.has(name) || fileExists(name)
  host.readFile = (name) => virtual.get(name) ?? readFile(name)
  host.getSourceFile = (name, target) => {
    const text = virtual.get(name)
    if (text !== undefined) return ts.createSourceFile(name, text, target, true)
    if (!sources.has(name)) sources.set(name, getSourceFile(name, target))
    return sources.get(name)
  }
  host.writeFile = (name, text) => declarations.set(name, text)
  const start = performance.now()
  const program = ts.createProgram([...virtual.keys()], compilerOptions, host)
  // Only the snippets: users see our declarations, which skipLibCheck leaves alone.
  const files = [...virtual.keys()].map((name) => program.getSourceFile(name)!)
  const diagnostics = files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)])
  if (compilerOptions.declaration) diagnostics.push(...files.flatMap((file) => program.getDeclarationDiagnostics(file)))
  const milliseconds = performance.now() - start
  // Not in the compiler's public types, but what `--extendedDiagnostics` prints.
  const instantiations = (program as unknown as { getInstantiationCount(): number }).getInstantiationCount()
  if (compilerOptions.declaration) program.emit()
  return {
    errors: diagnostics.map((diagnostic) => ({
      file: (diagnostic.file?.fileName ?? "").slice(here.length + 1),
      line: diagnostic.file ? diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1 : 0,
      code: diagnostic.code,
      text: ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"),
    })),
    instantiations,
    milliseconds,
    declarations,
  }
}
