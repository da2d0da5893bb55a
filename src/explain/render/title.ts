import type { PlanNode } from "../plan.ts"

/** A node in a few words, as EXPLAIN's text format would name it. */
export function titleOf(node: PlanNode): string {
  const { raw } = node
  const text = (field: string): string => (typeof raw[field] === "string" ? (raw[field] as string) : "")
  const parallel = raw["Parallel Aware"] === true ? "Parallel " : ""
  let name = node.type
  if (name === "Aggregate") {
    const strategy = { Hashed: "HashAggregate", Sorted: "GroupAggregate", Mixed: "MixedAggregate" }[text("Strategy")]
    const partial = text("Partial Mode")
    name = `${partial === "Partial" || partial === "Finalize" ? `${partial} ` : ""}${strategy ?? name}`
  } else if (name === "ModifyTable") name = text("Operation") || name
  else if (name === "Custom Scan") name = text("Custom Plan Provider") || name
  else {
    const join = text("Join Type")
    if (join !== "" && join !== "Inner")
      name = name === "Nested Loop" ? `Nested Loop ${join} Join` : name.replace(" Join", ` ${join} Join`)
  }
  const index = node.index === null ? "" : ` using ${node.index}`
  const relation = node.relation === null ? "" : ` on ${node.relation.name}`
  const alias = node.relation?.alias && node.relation.alias !== node.relation.name ? ` ${node.relation.alias}` : ""
  const label = node.subplan === null ? "" : ` [${node.subplan.replace(/ \(returns.*$/, "")}]`
  return `${parallel}${name}${index}${relation}${alias}${label}`
}

/** Milliseconds in a few characters. */
export function shortTime(ms: number): string {
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms >= 10_000 ? 0 : 1)} s`
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 1 ? 1 : 2)} ms`
}

/** A count in a few characters: 1234567 as "1.2M". */
export function shortCount(value: number): string {
  for (const [size, unit] of [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e4, "k"],
  ] as const) {
    if (value >= size) return `${(value / (unit === "k" ? 1000 : size)).toFixed(value >= 1e5 && unit === "k" ? 0 : 1)}${unit}`
  }
  return value % 1 === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

/** Words of a text in lines no wider than this; longer words stand alone. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ""
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  if (line !== "") lines.push(line)
  return lines
}

/** A text no longer than this, with … where it was cut. Control characters of names are shown as a dot. */
export function cut(text: string, width: number): string {
  const clean = text.replace(/\p{Cc}/gu, "·")
  return clean.length <= width ? clean : `${clean.slice(0, Math.max(0, width - 1))}…`
}
