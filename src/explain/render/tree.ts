import pc from "picocolors"
import { type PlanIssue, type Severity, severities } from "../issue.ts"
import { type Plan, type PlanNode, planNodes } from "../plan.ts"
import { cut, shortCount, shortTime, titleOf, wrapped } from "./title.ts"

/** Options of {@link renderTree}. */
export interface RenderOptions {
  /** Columns of the terminal. Default 80; from 110 on more figures are shown. */
  readonly width?: number | undefined
  /** Shown below the node that each names. Default none. */
  readonly issues?: readonly PlanIssue[] | undefined
  readonly color?: boolean | undefined
}

const barWidth = 8
const paintOf: Record<Severity, "red" | "yellow" | "cyan" | "dim"> = {
  critical: "red",
  high: "red",
  medium: "yellow",
  low: "cyan",
  info: "dim",
}
const mark: Record<Severity, string> = { critical: "▲", high: "▲", medium: "△", low: "·", info: "·" }

/**
 * A plan as a tree for a terminal: each node's share of the whole as a bar, its own time (or cost), rows and loops, and the issues
 * below the node that causes them.
 */
export function renderTree(plan: Plan, options: RenderOptions = {}): string {
  const width = Math.max(40, options.width ?? 80)
  const colors = pc.createColors(options.color ?? false)
  const wide = width >= 110
  const timed = plan.root.inclusive.time !== null
  const byNode = new Map<string, PlanIssue[]>()
  for (const issue of options.issues ?? []) byNode.set(issue.node, [...(byNode.get(issue.node) ?? []), issue])
  const lines = [colors.dim(headOf(width, wide, timed))]
  const branches = branchesOf(plan.root)
  for (const node of planNodes(plan.root)) {
    const { prefix, below } = branches.get(node)!
    const figures = figuresOf(node, wide, timed)
    const left = `${percentOf(node.share)} ${barOf(node.share)} `
    const room = Math.max(12, width - left.length - figures.length - 1)
    // A very deep tree keeps room for its nodes' names.
    const shownPrefix = prefix.length > room - 24 ? `…${prefix.slice(-Math.max(1, room - 25))}` : prefix
    const title = cut(titleOf(node), room - shownPrefix.length)
    const never = node.actual !== null && node.actual.loops === 0
    const body = `${colors.dim(shownPrefix)}${never ? colors.dim(title) : colors.bold(title)}${" ".repeat(Math.max(0, room - shownPrefix.length - title.length))}`
    const bar = node.share >= 0.4 ? colors.red(left) : node.share >= 0.1 ? colors.yellow(left) : colors.dim(left)
    lines.push(`${bar}${body} ${never ? colors.dim(figures) : figures}`.trimEnd())
    const indent = " ".repeat(left.length)
    const trunk = below.length > room - 20 ? "" : below
    for (const issue of byNode.get(node.path) ?? []) {
      const paint = colors[paintOf[issue.severity]]
      const text = wrapped(
        `${mark[issue.severity]} ${issue.severity} ${issue.issue}: ${issue.message}`,
        Math.max(24, width - indent.length - trunk.length - 2),
      )
      for (const [at, line] of text.entries()) lines.push(`${indent}${colors.dim(trunk)}${at === 0 ? "" : "  "}${paint(line)}`)
    }
  }
  lines.push(...footOf(plan, width).map((line) => colors.dim(line)))
  return lines.join("\n")
}

/** The issues as a list, worst first, with what to do about each. */
export function renderIssues(issues: readonly PlanIssue[], options: Omit<RenderOptions, "issues"> = {}): string {
  const width = Math.max(40, options.width ?? 80)
  const colors = pc.createColors(options.color ?? false)
  const sorted = [...issues].sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity))
  return sorted
    .map((issue) => {
      const paint = colors[paintOf[issue.severity]]
      const place = `${issue.nodeType}${issue.table === undefined ? "" : ` on ${issue.table}`}, node ${issue.node}${issue.confirmed ? ", confirmed by the catalog" : issue.confidence === "estimated" ? ", estimated" : ""}`
      return [
        `${paint(`${mark[issue.severity]} ${issue.severity}`)} ${colors.bold(issue.issue)} ${colors.dim(`(${cut(place, width - 20)})`)}`,
        ...wrapped(issue.message, width - 2).map((line) => `  ${line}`),
        ...wrapped(`→ ${issue.advice}`, width - 2).map((line, at) => `  ${at === 0 ? "" : "  "}${colors.green(line)}`),
        `  ${colors.dim(issue.docs)}`,
      ].join("\n")
    })
    .join("\n\n")
}

function headOf(width: number, wide: boolean, timed: boolean): string {
  const figures = wide
    ? `${timed ? "own time" : "own cost"}   ${"rows".padStart(9)}${"planned".padStart(9)}${"loops".padStart(7)}${"hit".padStart(8)}${"read".padStart(8)}`.padStart(
        52,
      )
    : `${timed ? "own time" : "own cost"}${"rows".padStart(8)}${"loops".padStart(6)}`.padStart(23)
  return `${"share".padEnd(5 + barWidth + 1)}node`.padEnd(Math.max(20, width - figures.length)) + figures
}

function figuresOf(node: PlanNode, wide: boolean, timed: boolean): string {
  const never = node.actual !== null && node.actual.loops === 0
  const own = never ? "never" : timed ? shortTime(node.exclusive.time ?? 0) : (node.exclusive.cost ?? 0).toFixed(0)
  const rows = node.actual === null ? `~${shortCount(node.planRows ?? 0)}` : shortCount(node.actual.rows)
  const loops = node.actual === null ? "" : node.actual.loops === 1 ? "" : `×${shortCount(node.actual.loops)}`
  if (!wide) return `${own.padStart(9)}${rows.padStart(8)}${loops.padStart(6)}`
  const planned = node.actual === null ? "" : `~${shortCount(node.planRows ?? 0)}`
  const { sharedHit, sharedRead } = node.exclusive
  const blocks = (value: number): string => (value === 0 ? "" : shortCount(value)).padStart(8)
  return `${own.padStart(11)}${rows.padStart(10)}${planned.padStart(9)}${loops.padStart(7)}${blocks(sharedHit)}${blocks(sharedRead)}`
}

function percentOf(share: number): string {
  return `${Math.round(share * 100)}%`.padStart(4)
}

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

function barOf(share: number): string {
  const units = Math.round(Math.min(1, Math.max(0, share)) * barWidth * 8)
  return `${"█".repeat(Math.floor(units / 8))}${eighths[units % 8]}`.padEnd(barWidth)
}

/** The lines that connect a node with its parent, and those that run past what is written below it. */
function branchesOf(root: PlanNode): Map<PlanNode, { prefix: string; below: string }> {
  const found = new Map<PlanNode, { prefix: string; below: string }>([[root, { prefix: "", below: "" }]])
  for (const node of planNodes(root)) {
    const own = found.get(node)!
    for (const [at, child] of node.children.entries()) {
      const last = at === node.children.length - 1
      found.set(child, { prefix: `${own.below}${last ? "└ " : "├ "}`, below: `${own.below}${last ? "  " : "│ "}` })
    }
  }
  return found
}

function footOf(plan: Plan, width: number): string[] {
  const facts: string[] = []
  if (plan.planningTime !== null) facts.push(`planning ${shortTime(plan.planningTime)}`)
  if (plan.executionTime !== null) facts.push(`execution ${shortTime(plan.executionTime)}`)
  else if (plan.root.totalCost !== null) facts.push(`cost ${plan.root.totalCost.toFixed(0)}`)
  if (plan.totals !== null)
    facts.push(
      `blocks ${shortCount(plan.totals.sharedHit)} hit, ${shortCount(plan.totals.sharedRead)} read${plan.totals.tempWritten > 0 ? `, ${shortCount(plan.totals.tempWritten)} temporary` : ""}`,
    )
  if (plan.jit?.time != null && plan.jit.time > 0) facts.push(`JIT ${shortTime(plan.jit.time)}`)
  for (const trigger of plan.triggers) if (trigger.time !== null) facts.push(`trigger ${trigger.name} ${shortTime(trigger.time)}`)
  return wrapped(facts.join(" · "), width)
}
