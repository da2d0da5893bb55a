import { pickOf, type Random } from "./random-data.ts"

/** Random schemas, views over them, and queries made from a view by changes of the kinds that people's queries differ by. */

export interface TableSpec {
  readonly name: string
  readonly columns: readonly ColumnSpec[]
  /** Columns of the primary key; empty for a table without any key. */
  readonly key: readonly string[]
  /** Columns of a further unique constraint, which may hold NULLs. */
  readonly unique: readonly string[]
  readonly references: readonly { readonly column: string; readonly table: string }[]
}

export interface ColumnSpec {
  readonly name: string
  readonly type:
    | "int"
    | "bigint"
    | "numeric(10,2)"
    | "text"
    | "date"
    | "timestamp"
    | "boolean"
    // Types whose equal values may differ, or whose values depend on a zone.
    | "numeric"
    | "double precision"
    | "timestamptz"
  readonly notNull: boolean
}

const types: readonly ColumnSpec["type"][] = [
  "int",
  "int",
  "bigint",
  "numeric(10,2)",
  "text",
  "text",
  "date",
  "timestamp",
  "boolean",
]

const oddTypes: readonly ColumnSpec["type"][] = ["numeric", "numeric", "double precision", "timestamptz", "timestamptz"]

/**
 * Two to four tables: the first ones with keys that later ones refer to, the last without a key now and then. `odd` for types whose equal
 * values may differ.
 */
export function randomSchema(random: Random, odd: boolean): readonly TableSpec[] {
  const tables: TableSpec[] = []
  const count = 3 + Math.floor(random() * 2)
  for (let at = 0; at < count; at++) {
    const name = `t${at + 1}`
    const keyed = at < count - 1 || random() < 0.7
    const columns: ColumnSpec[] = [{ name: "id", type: "int", notNull: keyed || random() < 0.5 }]
    const references: { column: string; table: string }[] = []
    if (keyed && random() < 0.2) {
      columns.push({ name: "up_id", type: "int", notNull: false })
      references.push({ column: "up_id", table: name })
    }
    for (const target of tables) {
      if (target.key.length !== 1 || random() < 0.3) continue
      const column = `${target.name}_id`
      columns.push({ name: column, type: "int", notNull: random() < 0.6 })
      if (random() < 0.8) references.push({ column, table: target.name })
    }
    const width = 3 + Math.floor(random() * 3)
    for (let more = 0; more < width; more++)
      columns.push({
        name: `c${more + 1}`,
        type: pickOf(random, odd && random() < 0.5 ? oddTypes : types),
        notNull: random() < 0.4,
      })
    const unique = random() < 0.25 ? [pickOf(random, columns.slice(1)).name] : []
    tables.push({ name, columns, key: keyed ? ["id"] : [], unique, references })
  }
  return tables
}

export function schemaText(tables: readonly TableSpec[]): string {
  return tables
    .map((table) => {
      const columns = table.columns.map(({ name, type, notNull }) => `${name} ${type}${notNull ? " not null" : ""}`)
      const key = table.key.length === 0 ? [] : [`primary key (${table.key.join(", ")})`]
      const references = table.references.map(({ column, table: target }) => `foreign key (${column}) references ${target}`)
      const unique = table.unique.length === 0 ? [] : [`unique (${table.unique.join(", ")})`]
      return `create table ${table.name} (${[...columns, ...key, ...unique, ...references].join(", ")})`
    })
    .join(";\n")
}

/** An expression as text, with what is needed to build on it. */
export interface Typed {
  readonly text: string
  readonly type: ColumnSpec["type"]
  readonly notNull: boolean
}

interface Joined {
  readonly table: TableSpec
  readonly alias: string
  readonly join: "first" | "join" | "left join" | "right join" | "full join" | "cross join"
  readonly on: string
}

/** A SELECT in parts, so that another can be made from it. */
export interface Spec {
  readonly from: readonly Joined[]
  readonly where: readonly string[]
  readonly keys: readonly Typed[] | null
  readonly sets: "rollup" | "cube" | null
  readonly having: readonly string[]
  readonly distinct: boolean
  readonly output: readonly Typed[]
}

function columnsOf(from: readonly Joined[]): readonly Typed[] {
  return from.flatMap(({ table, alias, join }) =>
    table.columns.map(({ name, type, notNull }) => ({
      text: `${alias}.${name}`,
      type,
      notNull: notNull && join !== "left join" && join !== "full join",
    })),
  )
}

/** Columns of one table under an alias. */
export function typedColumns(table: TableSpec, alias: string): readonly Typed[] {
  return columnsOf([{ table, alias, join: "first", on: "" }])
}

const numbers = [1, 2, 2, 3]
const texts = ["a", "b", "ab", "EU", "x"]
export const days: readonly string[] = ["2025-01-01", "2025-01-15", "2025-01-31", "2025-02-01", "2025-03-01", "2025-12-31"]

function constant(type: ColumnSpec["type"], random: Random): string {
  switch (type) {
    case "int":
    case "bigint":
      return String(pickOf(random, numbers))
    case "numeric(10,2)":
    case "numeric":
    case "double precision":
      return random() < 0.3 ? `${pickOf(random, numbers)}.5` : String(pickOf(random, numbers))
    case "text":
      return `'${pickOf(random, texts)}'`
    case "date":
      return `'${pickOf(random, days)}'`
    case "timestamp":
      return `'${pickOf(random, days)}${random() < 0.3 ? " 12:30" : ""}'`
    case "timestamptz":
      return `'${pickOf(random, days)}${random() < 0.3 ? " 12:30" : ""}${random() < 0.7 ? "+00" : ""}'`
    case "boolean":
      return random() < 0.5 ? "true" : "false"
  }
}

const comparisons = ["=", "<", "<=", ">", ">=", "<>", "<>"]

/** A condition on one of some expressions. */
export function condition(on: readonly Typed[], random: Random, depth = 0): string {
  const one = pickOf(random, on)
  const again = (): string => condition(on, random, depth + 1)
  const value = (): string => constant(one.type, random)
  const roll = random()
  if (depth < 2 && roll < 0.1) return `(${again()} or ${again()})`
  if (depth < 2 && roll < 0.14) return `not (${again()})`
  if (depth < 2 && roll < 0.17) return `(${again()}) is ${pickOf(random, ["true", "not false", "not true", "not null"])}`
  if (depth < 2 && roll < 0.2) return `(${again()} and ${again()})`
  if (one.type === "boolean")
    return pickOf(random, [one.text, `not ${one.text}`, `${one.text} is true`, `${one.text} is null`, `${one.text} = ${value()}`])
  if (roll < 0.27) return `${one.text} is ${random() < 0.7 ? "not " : ""}null`
  if (roll < 0.35) return `${one.text} in (${value()}, ${value()})`
  if (roll < 0.4) return `${one.text} between ${value()} and ${value()}`
  if (roll < 0.44) return `${one.text} is ${random() < 0.5 ? "not " : ""}distinct from ${value()}`
  if (roll < 0.48) {
    const alike = on.filter((other) => other.type === one.type && other.text !== one.text)
    if (alike.length > 0) return `${one.text} ${pickOf(random, comparisons)} ${pickOf(random, alike).text}`
  }
  if (roll < 0.52 && (one.type === "int" || one.type === "bigint"))
    return `${one.text} + 1 ${pickOf(random, comparisons)} ${value()}`
  if (roll < 0.55 && one.type === "text") return `${one.text} like '${pickOf(random, ["a%", "%b", "%", "E%", "_"])}'`
  if (roll < 0.58 && one.type === "timestamp") return `${one.text}::date ${pickOf(random, comparisons)} '${pickOf(random, days)}'`
  if (roll < 0.6 && one.type === "date")
    return `date_trunc('month', ${one.text}::timestamp) ${pickOf(random, comparisons)} '2025-02-01'`
  return random() < 0.2
    ? `${value()} ${pickOf(random, comparisons)} ${one.text}`
    : `${one.text} ${pickOf(random, comparisons)} ${value()}`
}

/** An expression of one column, as people group by and select. */
function computed(one: Typed, random: Random): Typed {
  const roll = random()
  if (one.type === "int" && roll < 0.4) return { ...one, text: `${one.text} + ${pickOf(random, [1, 2])}` }
  if (one.type === "text" && roll < 0.5)
    return {
      ...one,
      text: pickOf(random, [`lower(${one.text})`, `coalesce(${one.text}, 'none')`, `${one.text} || 'x'`]),
      notNull: false,
    }
  if (one.type === "timestamp" && roll < 0.7) {
    if (random() < 0.3) return { ...one, text: `${one.text}::date`, type: "date" }
    return { ...one, text: `date_trunc('${pickOf(random, units)}', ${one.text})` }
  }
  if (one.type === "date" && roll < 0.6) {
    return random() < 0.5
      ? { ...one, text: `date_trunc('${pickOf(random, ["month", "quarter", "year", "week"])}', ${one.text})::date` }
      : { ...one, text: `date_trunc('${pickOf(random, units)}', ${one.text}::timestamp)`, type: "timestamp" }
  }
  if (one.type === "timestamptz" && roll < 0.6) {
    const zone = pickOf(random, ["UTC", "Europe/Berlin", "Asia/Kolkata"])
    if (random() < 0.5) return { ...one, text: `date_trunc('${pickOf(random, units)}', ${one.text}, '${zone}')` }
    return { ...one, text: `(${one.text} at time zone '${zone}')::date`, type: "date" }
  }
  if (one.type === "numeric" && roll < 0.4)
    return { ...one, text: `${one.text}${pickOf(random, ["::text || 'x'", "::text"])}`, type: "text" }
  if (one.type === "numeric" && roll < 0.5) return { ...one, text: `scale(${one.text})`, type: "int", notNull: false }
  if (one.type === "numeric(10,2)" && roll < 0.2) return { ...one, text: `coalesce(${one.text}, 0.00)`, notNull: true }
  return one
}

const units = ["hour", "day", "week", "month", "quarter", "year"]

/** An aggregate over some columns. */
function aggregate(on: readonly Typed[], random: Random): Typed {
  const one = pickOf(random, on)
  const filter = random() < 0.12 ? ` filter (where ${condition(on, random, 2)})` : ""
  const roll = random()
  const made = (text: string, type: ColumnSpec["type"], notNull = false): Typed => ({ text: `${text}${filter}`, type, notNull })
  if (roll < 0.28) return made("count(*)", "bigint", true)
  if (roll < 0.4) return made(`count(${one.text})`, "bigint", true)
  const numeric = on.filter(({ type }) => type === "int" || type === "bigint" || type.startsWith("numeric"))
  if (roll < 0.7 && numeric.length > 0) {
    const summed = pickOf(random, numeric)
    const name = pickOf(random, ["sum", "sum", "avg"])
    const argument = random() < 0.1 ? `case when ${condition(on, random, 2)} then ${summed.text} else 0 end` : summed.text
    const type = name === "sum" && summed.type === "int" ? "bigint" : "numeric(10,2)"
    return made(`${name}(${argument})`, type)
  }
  if (roll < 0.78) return made(`count(distinct ${one.text})`, "bigint", true)
  if (one.type === "boolean") return made(`bool_or(${one.text})`, "boolean")
  return made(`${random() < 0.5 ? "min" : "max"}(${one.text})`, one.type)
}

function some<T>(items: readonly T[], random: Random, most: number): T[] {
  const rest = [...items]
  const picked: T[] = []
  const count = 1 + Math.floor(random() * most)
  while (picked.length < count && rest.length > 0) picked.push(...rest.splice(Math.floor(random() * rest.length), 1))
  return picked
}

/** A table joined to others by a key of either side, or else by columns of one type. */
function join(tables: readonly TableSpec[], from: readonly Joined[], random: Random): Joined {
  const table = pickOf(random, tables)
  const alias = `r${from.length + 1}`
  if (from.length === 0) return { table, alias, join: "first", on: "" }
  const other = pickOf(random, from)
  const down = other.table.references.find((reference) => reference.table === table.name)
  const up = table.references.find((reference) => reference.table === other.table.name)
  const alike = table.columns.flatMap((column) =>
    other.table.columns.filter(({ type }) => type === column.type).map((match) => [column.name, match.name]),
  )
  const [own, theirs] =
    down !== undefined ? ["id", down.column] : up !== undefined ? [up.column, "id"] : (pickOf(random, alike) ?? ["id", "id"])
  const extra = random() < 0.1 ? ` and ${condition(columnsOf([{ table, alias, join: "join", on: "" }]), random, 2)}` : ""
  const kind = pickOf(random, ["join", "join", "join", "left join", "left join", "right join", "full join"] as const)
  return { table, alias, join: kind, on: `${alias}.${own} = ${other.alias}.${theirs}${kind === "full join" ? "" : extra}` }
}

/** A view: joined, filtered, grouped or not. */
export function randomSpec(tables: readonly TableSpec[], random: Random): Spec {
  const from: Joined[] = []
  const joins = pickOf(random, [1, 1, 1, 2, 2, 3])
  for (let at = 0; at < joins; at++) from.push(join(tables, from, random))
  const columns = columnsOf(from)
  const where = Array.from({ length: pickOf(random, [0, 0, 0, 1, 1, 2]) }, () => condition(columns, random))
  const grouped = random() < 0.6
  if (!grouped) {
    const output = some(columns, random, 6).map((one) => (random() < 0.15 ? computed(one, random) : one))
    return { from, where, keys: null, sets: null, having: [], distinct: random() < 0.08, output }
  }
  const keys = random() < 0.07 ? [] : some(columns, random, 3).map((one) => (random() < 0.3 ? computed(one, random) : one))
  const aggregates = Array.from({ length: 1 + Math.floor(random() * 4) }, () => aggregate(columns, random))
  const counts: Typed[] = random() < 0.6 ? [{ text: "count(*)", type: "bigint", notNull: true }] : []
  const having = random() < 0.06 ? ["count(*) > 1"] : []
  const sets = keys.length > 0 && random() < 0.04 ? "rollup" : null
  return { from, where, keys, sets, having, distinct: false, output: [...keys, ...counts, ...aggregates] }
}

/** The SELECT of a spec; columns are named by their place. */
export function specText(spec: Spec, named = true): string {
  const from = spec.from.map(({ table, alias, join: kind, on }) =>
    kind === "first" ? `${table.name} ${alias}` : `${kind} ${table.name} ${alias} on ${on}`,
  )
  const output = spec.output.map(({ text }, at) => (named ? `${text} as x${at + 1}` : text))
  const group =
    spec.keys === null || spec.keys.length === 0
      ? ""
      : ` group by ${spec.sets === null ? "" : spec.sets}${spec.sets === null ? "" : "("}${spec.keys.map(({ text }) => text).join(", ")}${spec.sets === null ? "" : ")"}`
  const where = spec.where.length === 0 ? "" : ` where ${spec.where.join(" and ")}`
  const having = spec.having.length === 0 ? "" : ` having ${spec.having.join(" and ")}`
  return `select ${spec.distinct ? "distinct " : ""}${output.join(", ")} from ${from.join(" ")}${where}${group}${having}`
}

/** A query that could have been written by somebody who knows the view's subject, and not the view. */
export function derivedQuery(view: Spec, tables: readonly TableSpec[], random: Random): string {
  let spec: Spec = view
  const columns = columnsOf(view.from)
  const plain = view.output.filter(({ text }) => !/\(/.test(text))
  const onHand = plain.length > 0 && random() < 0.8 ? plain : columns
  for (let at = pickOf(random, [0, 1, 1, 2]); at > 0; at--) spec = { ...spec, where: [...spec.where, condition(onHand, random)] }
  if (spec.where.length > 0 && random() < 0.1) spec = { ...spec, where: spec.where.slice(1) }
  if (spec.where.length > 1 && random() < 0.3) spec = { ...spec, where: [...spec.where].reverse() }
  if (random() < 0.12) spec = { ...spec, from: [...spec.from, join(tables, spec.from, random)] }
  if (spec.from.length > 1 && random() < 0.1) spec = withoutLast(spec) ?? spec
  if (spec.from.length > 1 && random() < 0.12)
    spec = {
      ...spec,
      from: spec.from.map((one) =>
        one.join === "first" ? one : { ...one, join: pickOf(random, ["join", "left join"] as const) },
      ),
    }
  spec = view.keys === null ? overRows(spec, columns, onHand, random) : overGroups(spec, columns, random)
  return random() < 0.2 ? nested(specText(spec), spec.output.length, tables, random) : dressed(spec, random)
}

function withoutLast(spec: Spec): Spec | null {
  const last = spec.from.at(-1)!
  const mentions = (text: string): boolean => text.includes(`${last.alias}.`)
  const output = spec.output.filter(({ text }) => !mentions(text))
  if (output.length === 0) return null
  return {
    ...spec,
    from: spec.from.slice(0, -1),
    where: spec.where.filter((one) => !mentions(one)),
    keys: spec.keys?.filter(({ text }) => !mentions(text)) ?? null,
    having: spec.having.filter((one) => !mentions(one)),
    output,
  }
}

function overRows(spec: Spec, columns: readonly Typed[], onHand: readonly Typed[], random: Random): Spec {
  const from = new Set(spec.from.map(({ alias }) => alias))
  const usable = (random() < 0.85 ? onHand : columns).filter(({ text }) => from.has(text.split(".")[0]!))
  if (usable.length === 0) return spec
  const roll = random()
  if (roll < 0.5) {
    const output = some(usable, random, 4).map((one) => (random() < 0.3 ? computed(one, random) : one))
    return { ...spec, distinct: random() < 0.15, output }
  }
  const keys = roll < 0.6 ? [] : some(usable, random, 2).map((one) => (random() < 0.3 ? computed(one, random) : one))
  const aggregates = Array.from({ length: 1 + Math.floor(random() * 2) }, () => aggregate(usable, random))
  return {
    ...spec,
    keys,
    output: [...keys, ...aggregates],
    having: random() < 0.15 ? [`${aggregates[0]!.text} is not null`] : [],
    distinct: false,
  }
}

function overGroups(spec: Spec, columns: readonly Typed[], random: Random): Spec {
  const keys = spec.keys!
  const roll = random()
  const kept = roll < 0.3 ? keys : roll < 0.45 ? [] : keys.filter(() => random() < 0.6)
  const coarser = kept.map((key) => {
    if (random() > 0.25) return key
    const bucket = /^date_trunc\('\w+', (.*)\)$/.exec(key.text)
    return bucket === null ? computed(key, random) : { ...key, text: `date_trunc('${pickOf(random, units)}', ${bucket[1]})` }
  })
  const made = spec.output.filter(({ text }) => !keys.some((key) => key.text === text))
  const from = new Set(spec.from.map(({ alias }) => alias))
  const inReach = columns.filter(({ text }) => from.has(text.split(".")[0]!))
  const pool = random() < 0.75 ? made : [...made, aggregate(inReach.length > 0 ? inReach : columns, random)]
  const chosen = pool.length === 0 ? [] : some(pool, random, 3)
  const wrapped = chosen.map((one) =>
    one.type === "bigint" && random() < 0.15 ? { ...one, text: `coalesce(${one.text}, 0) + 1` } : one,
  )
  const output = [...coarser, ...wrapped]
  const having = random() < 0.15 && chosen.length > 0 ? [random() < 0.5 ? "count(*) > 1" : `${chosen[0]!.text} is not null`] : []
  const sets = coarser.length > 0 && random() < 0.06 ? pickOf(random, ["rollup", "cube"] as const) : null
  return {
    ...spec,
    keys: coarser,
    sets,
    having,
    output: output.length === 0 ? [{ text: "count(*)", type: "bigint", notNull: true }] : output,
  }
}

/** The query as a statement: bare, sorted, cut, inside a subquery, a WITH or a set operation. */
function dressed(spec: Spec, random: Random): string {
  const text = specText(spec)
  const all = spec.output.map((_one, at) => at + 1).join(", ")
  const roll = random()
  if (roll < 0.6) return text
  if (roll < 0.68) return `${text} order by ${all}`
  if (roll < 0.72) return `${text} order by ${all} limit 3`
  if (roll < 0.8) return `select * from (${text}) s where x1 is not null`
  if (roll < 0.86) return `with w as (${text}) select count(*), count(x1), max(x1::text) from w`
  if (roll < 0.9) return `select x1, count(*) from (${text}) s group by x1`
  if (roll < 0.94) return `${text} union all ${specText(spec, false)}`
  if (roll < 0.97)
    return `select x1, row_number() over (order by x1, ${all.replaceAll(/(\d+)/g, "x$1")}), rank() over (order by x1) from (${text}) s`.replace(
      /row_number.*?\), /,
      "",
    )
  return `select 1 as one where exists (select 1 from (${text}) s where x1 is not null)`
}

/** The query inside another statement, in places where people put queries. */
function nested(text: string, width: number, tables: readonly TableSpec[], random: Random): string {
  const table = pickOf(random, tables)
  const inner = `(${text}) s`
  const last = `x${width}`
  const column = pickOf(random, table.columns).name
  return pickOf(random, [
    `select t.id, s.* from ${table.name} t left join ${inner} on s.x1 = t.${column}`,
    `select t.id, s.${last} from ${table.name} t join ${inner} on s.x1 = t.${column} and s.${last} is not null`,
    `select s.x1, t.id from ${inner} full join ${table.name} t on s.x1 = t.${column}`,
    `select t.id from ${table.name} t where t.${column} in (select x1 from ${inner})`,
    `select t.id from ${table.name} t where t.${column} not in (select x1 from ${inner})`,
    `select t.id from ${table.name} t where not exists (select 1 from ${inner} where s.x1 = t.${column})`,
    `select t.id, (select count(*) from ${inner} where s.x1 = t.${column}) as n from ${table.name} t`,
    `select t.id, l.n from ${table.name} t, lateral (select count(*) as n, max(s.${last}::text) as m from ${inner} where s.x1 = t.${column}) l`,
    `select x1, ${last}, count(*), grouping(x1, ${last}) from ${inner} group by grouping sets ((x1), (${last}), ())`,
    `select x1, count(*), sum(count(*)) over () as all_of_them from ${inner} group by x1 having count(*) > 1`,
    `select distinct x1, ${last} from ${inner} where ${last} is not null`,
    `select count(distinct x1), count(distinct ${last}), max(x1::text) from ${inner}`,
    `with w as (${text}) select a.x1, b.${last} from w a join w b on a.x1 = b.x1`,
    `with w as (${text}) select x1 from w except select x1 from w where ${last} is null`,
    `select x1 from ${inner} intersect select x1 from (${text}) r where x1 is not null`,
    `select coalesce(x1, x1) as y, count(*) filter (where ${last} is null) from ${inner} group by y`,
    `select x1, array_agg(${last} order by ${last}) from ${inner} group by x1`,
    `select x1, ${last} from (select s.*, rank() over (partition by x1 order by ${last}) as r from ${inner}) q where r <= 2`,
  ])
}
