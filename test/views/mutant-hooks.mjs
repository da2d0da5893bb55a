import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import typescript from "typescript"

const edits = JSON.parse(process.env.SELECTO_MUTANT ?? "[]")

export async function load(url, context, next) {
  if (!url.startsWith("file:") || !/\.ts(\?|$)/.test(url)) return next(url, context)
  let text = await readFile(fileURLToPath(url), "utf8")
  for (const { file, from, to } of edits) {
    if (!url.endsWith(`/src/views/match/${file}`)) continue
    if (text.split(from).length !== 2) throw new Error(`${file} does not hold the text of the mutant exactly once: ${from}`)
    text = text.replace(from, () => to)
  }
  const { outputText } = typescript.transpileModule(text, {
    compilerOptions: { target: "es2022", module: "esnext", verbatimModuleSyntax: true },
  })
  return { format: "module", source: outputText, shortCircuit: true }
}
