import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

let typescript

export async function load(url, context, next) {
  if (!url.startsWith("file:") || !/\.ts(\?|$)/.test(url)) return next(url, context)
  typescript ??= (await import("typescript")).default
  const { outputText } = typescript.transpileModule(await readFile(fileURLToPath(url), "utf8"), {
    fileName: fileURLToPath(url),
    compilerOptions: { target: "es2022", module: "esnext", verbatimModuleSyntax: true, inlineSourceMap: true },
  })
  return { format: "module", source: outputText, shortCircuit: true }
}
