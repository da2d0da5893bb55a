import { buildPlan } from "./build.ts"
import { isRecord, type PlanDocument } from "./document.ts"
import { capitalWords, functionWords, reservedWords, schemaWords, typeEndings, typeWords } from "./own-words.ts"
import type { Plan, PlanNode } from "./plan.ts"
import { planNodes } from "./plan.ts"

/** A plan as the document that EXPLAIN (FORMAT JSON) would print. */
export function documentOf(plan: Plan): PlanDocument {
  const nodes = [...planNodes(plan.root)]
  const records = new Map<PlanNode, Record<string, unknown>>()
  for (const node of nodes.reverse()) {
    const plans = node.children.map((child) => records.get(child)!)
    // Remote plans of a distributed query are among its raw fields already.
    const { "Distributed Query": _distributed, ...raw } = node.raw
    records.set(node, {
      ...raw,
      ...(node.relationship === null ? {} : { "Parent Relationship": node.relationship }),
      ...(plans.length === 0 ? {} : { Plans: plans }),
    })
  }
  return {
    Plan: records.get(plan.root),
    ...(Object.keys(plan.settings).length === 0 ? {} : { Settings: plan.settings }),
    ...(plan.planningTime === null ? {} : { "Planning Time": plan.planningTime }),
    ...(plan.queryId === null ? {} : { "Query Identifier": plan.queryId }),
    ...(plan.queryText === null ? {} : { "Query Text": plan.queryText }),
    ...(plan.triggers.length === 0
      ? {}
      : {
          Triggers: plan.triggers.map((trigger) => ({
            "Trigger Name": trigger.name,
            ...(trigger.constraint === null ? {} : { "Constraint Name": trigger.constraint }),
            ...(trigger.relation === null ? {} : { Relation: trigger.relation }),
            ...(trigger.time === null ? {} : { Time: trigger.time }),
            Calls: trigger.calls,
          })),
        }),
    ...(plan.jit === null
      ? {}
      : {
          JIT: {
            Functions: plan.jit.functions,
            Options: plan.jit.options,
            ...(plan.jit.time === null ? {} : { Timing: { Total: plan.jit.time } }),
          },
        }),
    ...(plan.serialization === null
      ? {}
      : {
          Serialization: {
            Time: plan.serialization.time,
            "Output Volume": (plan.serialization.bytes ?? 0) / 1024,
            Format: plan.serialization.format,
          },
        }),
    ...(plan.executionTime === null ? {} : { "Execution Time": plan.executionTime }),
    ...plan.raw,
  }
}

/**
 * The same plan without names and literals, to be shown to others: tables, columns, indexes, functions and types of one's own become
 * table_1, column_1, …; strings and numbers in conditions become placeholders. What PostgreSQL itself brings keeps its name, so the
 * same issues are found.
 */
export function pseudonymisePlan(plan: Plan): Plan {
  const names = new Pseudonyms()
  const document = documentOf(plan)
  for (const node of planNodes(plan.root)) names.learn(node)
  const { "Query Text": _text, "Query Identifier": _id, Settings: _settings, ...rest } = document
  const settings = Object.entries(plan.settings).filter(([name, value]) => plannerSetting.test(name) && plannerValue.test(value))
  return buildPlan({
    ...(names.hide(rest) as PlanDocument),
    ...(settings.length === 0 ? {} : { Settings: Object.fromEntries(settings) }),
  })
}

/** Settings that say nothing about whose database it is. */
const plannerSetting =
  /^(enable_|jit|work_mem$|hash_mem_multiplier$|max_parallel|parallel_|[a-z_]+_cost$|[a-z_]+_collapse_limit$|effective_|random_page|seq_page|geqo|constraint_exclusion$|cursor_tuple|plan_cache_mode$)[a-z_]*$/
/** A number with or without a unit, or a choice: no text of anybody's. */
const plannerValue = /^(-?[\d.]+(e[+-]?\d+)?\s?[A-Za-z]{0,3}|on|off|auto|partition|regress|force_generic_plan|force_custom_plan)$/

/** Fields whose text is one of PostgreSQL's own words. */
const ownWords = new Set([
  "Node Type",
  "Strategy",
  "Partial Mode",
  "Parent Relationship",
  "Join Type",
  "Operation",
  "Scan Direction",
  "Command",
  "Sort Method",
  "Sort Methods Used",
  "Sort Space Type",
  "Cache Mode",
  "Storage",
  "Format",
  "Conflict Resolution",
  "Custom Plan Provider",
  "Tasks Shown",
])

const kinds: Record<string, string> = {
  "Relation Name": "table",
  Relation: "table",
  Schema: "schema",
  Alias: "alias",
  "Index Name": "index",
  "Conflict Arbiter Indexes": "index",
  "CTE Name": "cte",
  "Function Name": "function",
  "Table Function Name": "function",
  "Tuplestore Name": "table",
  "Trigger Name": "trigger",
  "Constraint Name": "constraint",
}

const token =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\d+|(?:SubPlan|InitPlan) \d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|::|./gsu
const word = /^[A-Za-z_\u0080-\uffff]/

class Pseudonyms {
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  /** Names of relations and indexes come first, so that a condition uses the same ones. */
  learn(node: PlanNode): void {
    const { relation, index } = node
    if (relation !== null) {
      if (relation.schema !== null && !schemaWords.has(relation.schema)) this.#name(relation.schema, "schema")
      const kind =
        typeof node.raw["CTE Name"] === "string" ? "cte" : typeof node.raw["Function Name"] === "string" ? "function" : "table"
      if (kind !== "function" || !functionWords.has(relation.name)) this.#name(relation.name, kind)
      if (relation.alias !== null && relation.alias !== relation.name)
        this.#name(relation.alias, "alias", this.#partition(relation.alias))
    }
    if (index !== null) this.#name(index, "index")
  }

  /** Partitions keep the number by which their aliases count up. */
  #partition(alias: string): string {
    return /_\d+$/.exec(alias)?.[0] ?? ""
  }

  hide(value: unknown, field = ""): unknown {
    if (typeof value === "string") return this.#text(value, field)
    if (Array.isArray(value)) return value.map((item) => this.hide(item, field))
    if (isRecord(value))
      return Object.fromEntries(
        Object.entries(value).map(([name, inner]) => [
          /^[A-Z][\w /-]*$/.test(name) ? name : this.#expression(name),
          this.hide(inner, name),
        ]),
      )
    return value
  }

  #text(value: string, field: string): string {
    if (ownWords.has(field) && /^[A-Za-z0-9 /-]*$/.test(value)) return value
    if (field === "Subplan Name")
      return value.startsWith("CTE ")
        ? `CTE ${this.#name(value.slice(4), "cte")}`
        : (/^(InitPlan|SubPlan) \S+( \(returns [$\d, ]*\))?$/.exec(value)?.[0] ?? this.#expression(value))
    const kind = kinds[field]
    if (kind === undefined) return this.#expression(value)
    const own = kind === "schema" ? schemaWords : kind === "function" ? functionWords : none
    return own.has(value) ? value : this.#name(value, kind)
  }

  /** A condition, an expression, a statement: PostgreSQL's own words are known by where they stand, everything else is somebody's. */
  #expression(text: string): string {
    const parts = text.match(token) ?? []
    const words = parts.flatMap((part, at) => (part.trim() === "" ? [] : [at]))
    for (const [at, index] of words.entries()) {
      const part = parts[index]!
      const near = (step: number): string => parts[words[at + step] ?? -1] ?? ""
      if (/^(\$\d+|(SubPlan|InitPlan) \d+)$/.test(part)) continue
      if (part[0] === "'") parts[index] = placeholder(part)
      else if (/^\d/.test(part)) parts[index] = "0"
      else if (part[0] === '"') parts[index] = this.#name(part.slice(1, -1).replaceAll('""', '"'), "column")
      else if (word.test(part) && !isOwn(part, near)) {
        const kind = parts[index + 1] === "(" ? "function" : near(-1) === "::" ? "type" : "column"
        parts[index] = this.#name(part, kind)
      }
    }
    return parts.join("")
  }

  #name(name: string, kind: string, ending = ""): string {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const number = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, number)
    const pseudonym = `${kind}_${number}${ending}`
    this.#names.set(name, pseudonym)
    return pseudonym
  }
}

const none: ReadonlySet<string> = new Set()

/** Whether a word is PostgreSQL's own where it stands; `near` gives the words and signs around it. */
function isOwn(part: string, near: (step: number) => string): boolean {
  const before = near(-1)
  const called = near(1) === "("
  if (before === ".") return called && functionWords.has(part)
  if (near(1) === ".") return schemaWords.has(part)
  if (before === "::") return typeWords.has(part) || reservedWords.has(part)
  if (reservedWords.has(part.toLowerCase()) || capitalWords.has(part)) return true
  if (typeEndings.has(part)) return ["character", "bit", "time", "timestamp"].includes(before)
  // EXTRACT(year FROM …), "hashed SubPlan 1", Citus' and postgres_fdw's pg_catalog.int4.
  if (near(1) === "FROM" && before === "(") return near(-2) === "EXTRACT"
  if (part === "hashed") return near(1).startsWith("SubPlan")
  return called && functionWords.has(part)
}

/** A string without what it says; whether a pattern begins openly, or a list how long it is, stays. */
function placeholder(literal: string): string {
  const inner = literal.slice(1, -1)
  if (/^[%_]/.test(inner)) return "'%x'"
  if (inner.startsWith("^")) return "'^x'"
  if (inner.startsWith("{") && inner.endsWith("}")) return `'{${new Array(inner.split(",").length).fill("x").join(",")}}'`
  return inner === "" ? "''" : "'x'"
}
