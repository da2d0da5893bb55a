import type { PlanIssue } from "../issue.ts"
import { type Plan, type PlanNode, planNodes } from "../plan.ts"
import { documentOf } from "../pseudonymise.ts"
import type { PlanPicture } from "./picture.ts"
import { shortCount, shortTime, titleOf } from "./title.ts"

/** Options of {@link renderHtml}. */
export interface HtmlOptions {
  /** Shown beside the picture. Default none. */
  readonly issues?: readonly PlanIssue[] | undefined
  readonly title?: string | undefined
  /** A richer picture of the plan, from {@link loadPlanPicture}. Default: the plan's tree only. */
  readonly picture?: PlanPicture | null | undefined
}

/** A plan and its issues as one HTML file that needs nothing else: no network, and no scripts but those of a picture that is passed in. */
export function renderHtml(plan: Plan, options: HtmlOptions = {}): string {
  const issues = options.issues ?? []
  const title = options.title ?? "Query plan"
  const picture = options.picture ?? null
  // What a frame may do is bounded by the policy of the page around it.
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:${picture === null ? "" : "; script-src 'unsafe-inline' 'unsafe-eval'; frame-src 'self' about:"}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(factsOf(plan))}</p></header>
<main>
<section class="plan" aria-label="Plan">
<table><thead><tr><th>share</th><th class="wide">node</th><th>own time</th><th>rows</th><th>planned</th><th>loops</th><th>blocks</th></tr></thead>
<tbody>
${[...planNodes(plan.root)].map((node) => rowOf(node, issues)).join("\n")}
</tbody></table>
${picture === null ? "" : frameOf(plan, picture)}
</section>
<aside aria-label="Issues"><h2>${issues.length === 0 ? "Nothing to complain about" : issues.length === 1 ? "1 issue" : `${issues.length} issues`}</h2>
${issues.map(cardOf).join("\n")}
</aside>
</main>
</body>
</html>
`
}

/** Text that may stand anywhere in HTML, in an attribute too. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'\p{Cc}]/gu, (letter) => (letter === "\n" ? "\n" : `&#${letter.codePointAt(0)};`))
}

function factsOf(plan: Plan): string {
  const parts: string[] = []
  if (plan.executionTime !== null) parts.push(`execution ${shortTime(plan.executionTime)}`)
  if (plan.planningTime !== null) parts.push(`planning ${shortTime(plan.planningTime)}`)
  if (plan.root.totalCost !== null) parts.push(`cost ${shortCount(plan.root.totalCost)}`)
  if (plan.totals !== null)
    parts.push(`${shortCount(plan.totals.sharedHit)} blocks hit, ${shortCount(plan.totals.sharedRead)} read`)
  return parts.join(" · ")
}

function rowOf(node: PlanNode, issues: readonly PlanIssue[]): string {
  const own = issues.filter((issue) => issue.node === node.path)
  const depth = node.path.split(".").length - 1
  const share = Math.round(node.share * 100)
  const never = node.actual !== null && node.actual.loops === 0
  const badges = own
    .map(
      (issue) =>
        `<a class="badge ${issue.severity}" href="#issue-${escapeHtml(`${issue.issue}-${issue.node}`)}">${escapeHtml(issue.issue)}</a>`,
    )
    .join(" ")
  const details = Object.entries(node.raw)
    .filter(([name]) => /Cond|Filter|Key|Sort Method|Batches|Remote SQL/.test(name))
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(", ") : String(value)}`)
  const figures = [
    never ? "never" : node.exclusive.time === null ? "" : shortTime(node.exclusive.time),
    node.actual === null ? "" : shortCount(node.actual.rows),
    node.planRows === null ? "" : shortCount(node.planRows),
    node.actual === null ? "" : shortCount(node.actual.loops),
    shortCount(node.exclusive.sharedHit + node.exclusive.sharedRead),
  ]
  return `<tr id="node-${node.path}"${never ? ' class="never"' : ""}><td><span class="bar" style="--share:${share}%"></span>${share} %</td><td class="wide" style="padding-left:${0.5 + Math.min(depth, 40) * 1.1}em"><b>${escapeHtml(titleOf(node))}</b> ${badges}${details.length === 0 ? "" : `<small>${escapeHtml(details.join("; ").slice(0, 600))}</small>`}</td>${figures.map((figure) => `<td>${escapeHtml(figure)}</td>`).join("")}</tr>`
}

function cardOf(issue: PlanIssue): string {
  return `<article class="${issue.severity}" id="issue-${escapeHtml(`${issue.issue}-${issue.node}`)}"><h3>${escapeHtml(issue.issue)} <span>${issue.severity}</span></h3><p><a href="#node-${escapeHtml(issue.node)}">${escapeHtml(issue.nodeType)}${issue.table === undefined ? "" : ` on ${escapeHtml(issue.table)}`}</a></p><p>${escapeHtml(issue.message)}</p><p class="advice">${escapeHtml(issue.advice)}</p></article>`
}

/** The picture runs in a frame that may run scripts and nothing else: it cannot reach this page. */
function frameOf(plan: Plan, picture: PlanPicture): string {
  return `<iframe sandbox="allow-scripts" title="Picture of the plan" srcdoc="${escapeHtml(picture.page(JSON.stringify([documentOf(plan)])))}"></iframe>`
}

const style = `
:root{color-scheme:light dark;--line:#8884;--critical:#c22;--high:#d50;--medium:#b80;--low:#27a;--info:#777}
body{font:15px/1.45 system-ui,sans-serif;margin:0}header{padding:1rem 1.5rem;border-bottom:1px solid var(--line)}h1{font-size:1.2rem;margin:0}header p{margin:.2rem 0 0;opacity:.7}
main{display:flex;flex-wrap:wrap;gap:1.5rem;padding:1rem 1.5rem}.plan{flex:3 1 40rem;overflow-x:auto}aside{flex:1 1 18rem;position:sticky;top:0;align-self:flex-start;max-height:100vh;overflow:auto}
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .5rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}.wide{text-align:left;width:100%;white-space:normal}
td:first-child{position:relative;min-width:4.5em}.bar{position:absolute;inset:.25rem 0;width:var(--share);background:#d5544540}small{display:block;opacity:.65;overflow-wrap:anywhere}.never{opacity:.5}tr:target{outline:2px solid var(--low)}
.badge{font-size:.8em;padding:0 .4em;border-radius:.6em;color:#fff;text-decoration:none;background:var(--info)}.badge.critical{background:var(--critical)}.badge.high{background:var(--high)}.badge.medium{background:var(--medium)}.badge.low{background:var(--low)}
article{border-left:4px solid var(--info);padding:.1rem .8rem;margin:0 0 1rem}article.critical{border-color:var(--critical)}article.high{border-color:var(--high)}article.medium{border-color:var(--medium)}article.low{border-color:var(--low)}
h2{font-size:1rem}h3{font-size:1rem;margin:.3rem 0}h3 span{font-weight:400;opacity:.7}.advice{opacity:.85}iframe{box-sizing:border-box;width:100%;height:40rem;border:1px solid var(--line);margin-top:1rem}
`
