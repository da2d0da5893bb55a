import { buildPlan } from "./build.ts"
import { isRecord, type PlanDocument } from "./document.ts"
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
  const settings = Object.entries(plan.settings).filter(([name]) => plannerSetting.test(name))
  return buildPlan({
    ...(names.hide(rest) as PlanDocument),
    ...(settings.length === 0 ? {} : { Settings: Object.fromEntries(settings) }),
  })
}

/** Settings that say nothing about whose database it is. */
const plannerSetting =
  /^(enable_|jit|work_mem$|hash_mem_multiplier$|max_parallel|parallel_|.*_cost$|.*_collapse_limit$|effective_|random_page|seq_page|geqo|constraint_exclusion$|cursor_tuple|plan_cache_mode$)/

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
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\d+|(?:SubPlan|InitPlan|Worker) \d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|\d+(?:\.\d+)?|./gsu

/** What PostgreSQL brings: left as it is. */
const builtIn = new Set(
  `and or not is null true false distinct from any all array row case when then else end at time zone collate in exists hashed asymmetric over partition by order filter where within group as rows range groups between unbounded preceding following current on returns select with without precision varying interval year month day hour minute second desc asc nulls first last using
  integer bigint smallint numeric real double text character char bpchar varchar name boolean date timestamp timestamptz timetz json jsonb uuid bytea regclass oid inet cidr tsvector tsquery int4 int8 int2 float8 float4 bool tid xid record anyarray int4range int8range tstzrange daterange numrange
  count sum avg min max array_agg string_agg json_agg jsonb_agg bool_and bool_or every stddev variance percentile_cont percentile_disc mode rank dense_rank row_number lag lead first_value last_value ntile
  lower upper length substr substring trim btrim ltrim rtrim left right replace concat coalesce nullif greatest least abs round ceil floor trunc mod power sqrt random md5 now date_trunc date_part extract to_char to_date to_timestamp to_number age make_date generate_series unnest array_length cardinality split_part strpos position regexp_replace regexp_match octet_length char_length jsonb_array_elements json_array_elements jsonb_extract_path_text to_tsvector to_tsquery plainto_tsquery pg_sleep nextval
  current_date current_timestamp current_user current_time localtime localtimestamp session_user
  public pg_catalog information_schema partial`.split(/\s+/),
)

class Pseudonyms {
  readonly #names = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  /** Names of relations and indexes come first, so that a condition uses the same ones. */
  learn(node: PlanNode): void {
    const { relation, index } = node
    if (relation !== null) {
      if (relation.schema !== null && !builtIn.has(relation.schema)) this.#name(relation.schema, "schema")
      const kind =
        typeof node.raw["CTE Name"] === "string" ? "cte" : typeof node.raw["Function Name"] === "string" ? "function" : "table"
      if (kind !== "function" || !builtIn.has(relation.name)) this.#name(relation.name, kind)
      if (relation.alias !== null && relation.alias !== relation.name && !builtIn.has(relation.alias))
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
      return value.startsWith("CTE ") ? `CTE ${this.#name(value.slice(4), "cte")}` : value.replace(/[^\w $,()]/g, "")
    const kind = kinds[field]
    if (kind !== undefined) return builtIn.has(value) ? value : this.#name(value, kind)
    return this.#expression(value)
  }

  #expression(text: string): string {
    let previous = ""
    return text.replace(token, (part, offset: number) => {
      const before = previous
      if (part.trim() !== "") previous = part
      if (/^(\$\d+|SubPlan \d+|InitPlan \d+|Worker \d+)$/.test(part)) return part
      if (part[0] === "'") return placeholder(part)
      if (/^\d/.test(part)) return /[A-Za-z_]$/.test(before) ? part : "0"
      if (part[0] === '"') return this.#name(part.slice(1, -1).replaceAll('""', '"'), "column")
      if (!/^[A-Za-z_\u0080-\uffff]/.test(part)) return part
      if (builtIn.has(part.toLowerCase()) && !this.#names.has(part)) return part
      const called = text[offset + part.length] === "("
      return this.#name(part, called ? "function" : before === "::" ? "type" : "column")
    })
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

/** A string without what it says; whether a pattern begins openly, or a list how long it is, stays. */
function placeholder(literal: string): string {
  const inner = literal.slice(1, -1)
  if (/^[%_]/.test(inner)) return "'%x'"
  if (inner.startsWith("^")) return "'^x'"
  if (inner.startsWith("{") && inner.endsWith("}")) return `'{${new Array(inner.split(",").length).fill("x").join(",")}}'`
  return inner === "" ? "''" : "'x'"
}
