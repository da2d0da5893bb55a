import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

/** Draws a plan in a page of its own. */
export interface PlanPicture {
  /** A whole HTML page for the plan's JSON. */
  page(planJson: string): string
}

/**
 * The picture of PEV2, where the packages `pev2`, `vue` and `bootstrap` are installed; else null. Nothing is fetched: their files
 * are read from node_modules and put into the page.
 *
 * @param from - where to look from. Default: the working directory, then this package.
 */
export async function loadPlanPicture(from: string = join(process.cwd(), "package.json")): Promise<PlanPicture | null> {
  for (const base of [from, import.meta.url]) {
    const [script, style, vue, bootstrap] = await Promise.all([
      fileOf(base, "pev2", ["dist/pev2.umd.js"]),
      fileOf(base, "pev2", ["dist/pev2.css", "dist/style.css"]),
      fileOf(base, "vue", ["dist/vue.global.prod.js"]),
      fileOf(base, "bootstrap", ["dist/css/bootstrap.min.css"]),
    ])
    if (script === null || vue === null) continue
    return { page: (planJson) => pageOf(planJson, { script, vue, style: `${bootstrap ?? ""}\n${style ?? ""}` }) }
  }
  return null
}

/** A file of an installed package: exports may hide it from the resolver, so it is looked for beside the package's entry. */
async function fileOf(base: string, name: string, candidates: readonly string[]): Promise<string | null> {
  const require = createRequire(base)
  for (const folder of require.resolve.paths(name) ?? []) {
    for (const candidate of candidates) {
      const text = await readFile(join(folder, name, candidate), "utf8").catch(() => null)
      if (text !== null) return text
    }
    if (dirname(folder) === folder) break
  }
  return null
}

/** A sandboxed frame has no localStorage: the getter throws. The picture keeps its settings there, so it gets one that forgets. */
const memoryStorage = `(()=>{const kept=new Map();const storage={getItem:(k)=>kept.get(k)??null,setItem:(k,v)=>void kept.set(k,String(v)),removeItem:(k)=>void kept.delete(k),clear:()=>kept.clear(),key:(n)=>[...kept.keys()][n]??null,get length(){return kept.size}};for(const name of ["localStorage","sessionStorage"])Object.defineProperty(window,name,{value:storage})})()`

function pageOf(planJson: string, parts: { readonly script: string; readonly vue: string; readonly style: string }): string {
  // Inside a script only its own end tag and comment marks are special.
  const inScript = (text: string): string => text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--")
  const data = JSON.stringify(planJson).replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")
  return `<!doctype html><html><head><meta charset="utf-8"><style>html,body,#app{height:100%;margin:0}</style><style>${parts.style.replaceAll("</style", "<\\/style")}</style></head><body><div id="app"></div>
<script>${memoryStorage}</script><script>${inScript(parts.vue)}</script><script>${inScript(parts.script)}</script>
<script>Vue.createApp({render:()=>Vue.h(pev2.Plan,{planSource:${data},planQuery:""})}).mount("#app")</script></body></html>`
}
