import { condition, derivedQuery, randomSpec, type Spec, specText, type TableSpec, type Typed, typedColumns } from "./generate.ts"
import { pickOf, type Random } from "./random-data.ts"

/** A view, and queries near it. */
export interface Form {
  readonly view: string
  readonly query: (random: Random) => string
}

type Make = (tables: readonly TableSpec[], random: Random) => Form

/** The forms of views that people define, with how often each is made. */
const forms: Readonly<Record<string, { readonly weight: number; readonly make: Make }>> = {
  plain: { weight: 50, make: (tables, random) => plainForm(randomSpec(tables, random), tables) },
  buckets: { weight: 8, make: (tables, random) => buckets(pickOf(random, tables), random) },
  parts: { weight: 8, make: (tables, random) => parts(pickOf(random, tables), random) },
  setOperations: { weight: 8, make: (tables, random) => setForm(pickOf(random, tables), random) },
  joinedGroups: { weight: 8, make: joinedGroups },
  firstRows: { weight: 4, make: (tables, random) => firstRows(pickOf(random, tables), random) },
  numbered: { weight: 4, make: (tables, random) => numbered(pickOf(random, tables), random) },
  subtotals: { weight: 4, make: (tables, random) => subtotals(pickOf(random, tables), random) },
  topRows: { weight: 2, make: (tables, random) => topRows(pickOf(random, tables), random) },
  semiJoined: { weight: 4, make: semiJoined },
}

/** A view, with the queries that people would ask of its subject; of one form only when one is named. */
export function randomForm(tables: readonly TableSpec[], random: Random, focus: string | undefined): Form {
  if (focus !== undefined) return forms[focus]!.make(tables, random)
  const all = Object.values(forms)
  let at = random() * all.reduce((sum, { weight }) => sum + weight, 0)
  for (const { weight, make } of all) {
    at -= weight
    if (at < 0) return make(tables, random)
  }
  return all[0]!.make(tables, random)
}

function plainForm(spec: Spec, tables: readonly TableSpec[]): Form {
  return { view: specText(spec), query: (random) => derivedQuery(spec, tables, random) }
}

const names = (columns: readonly Typed[]): string => columns.map(({ text }) => text).join(", ")
const shuffled = <T>(items: readonly T[], random: Random): T[] => [...items].sort(() => random() - 0.5)
const few = <T>(items: readonly T[], random: Random, most: number): T[] =>
  shuffled(items, random).slice(0, 1 + Math.floor(random() * most))

/** Rows counted and summed by the bucket of a time, and asked for by others and by ranges. */
function buckets(table: TableSpec, random: Random): Form {
  const all = typedColumns(table, "a")
  const time = pickOf(
    random,
    all.filter(({ type }) => type === "timestamp" || type === "date"),
  )
  if (time === undefined) return setForm(table, random)
  const units = ["day", "week", "month", "quarter", "year"]
  const cut = (unit: string, form: number): string => {
    const local = time.type === "date" ? `${time.text}::timestamp` : time.text
    if (form < 0.2) return `date_trunc('${unit}', ${time.text})`
    if (form < 0.35) return `date_trunc('${unit}', ${local})::date`
    if (form < 0.45 && unit === "day") return `${time.text}::date`
    return `date_trunc('${unit}', ${local})`
  }
  const more =
    random() < 0.3
      ? few(
          all.filter((one) => one !== time),
          random,
          1,
        )
      : []
  const list = [cut(pickOf(random, units), random()), ...more.map(({ text }) => text)]
  const edges = [
    "2025-01-01",
    "2025-02-01",
    "2025-03-01",
    "2025-01-06",
    "2026-01-01",
    "2025-01-31",
    "2025-02-28",
    "2024-12-31",
    "2025-01-15",
  ]
  return {
    view: `select ${list.map((text, at) => `${text} as x${at + 1}`).join(", ")}, count(*) as n, max(a.id) as m from ${table.name} a group by ${list.join(", ")}`,
    query: (again) => {
      const range = [
        `${time.text} ${pickOf(again, [">=", ">"])} '${pickOf(again, edges)}'`,
        `${time.text} ${pickOf(again, ["<", "<="])} '${pickOf(again, edges)}${time.type === "timestamp" && again() < 0.2 ? " 23:59:59.999999" : ""}'`,
        `extract(year from ${time.text}) = 2025`,
        `${cut(pickOf(again, units), 0.5)} = '${pickOf(again, edges)}'`,
      ].filter(() => again() < 0.5)
      const where = range.length === 0 ? "" : ` where ${range.join(" and ")}`
      const key = pickOf(again, [
        "",
        cut(pickOf(again, units), again()),
        `extract(${pickOf(again, ["year", "month", "quarter", "week", "dow"])} from ${time.text})`,
      ])
      if (key === "") return `select count(*), max(a.id) from ${table.name} a${where}`
      return `select ${key} as x1, count(*), max(a.id) from ${table.name} a${where} group by ${key}`
    },
  }
}

/** A view of some of a table's rows, and queries that ask for more of them. */
function parts(table: TableSpec, random: Random): Form {
  const columns = typedColumns(table, "a")
  const where = condition(columns, random)
  const keys = few(columns, random, 2)
  const grouped = random() < 0.5
  const list = grouped
    ? `${keys.map(({ text }, at) => `${text} as x${at + 1}`).join(", ")}, count(*) as n, sum(a.id) as s, min(a.id) as m`
    : columns.map(({ text }, at) => `${text} as x${at + 1}`).join(", ")
  const group = (some: readonly Typed[]): string => (some.length === 0 ? "" : ` group by ${names(some)}`)
  return {
    view: `select ${list} from ${table.name} a where ${where}${grouped ? group(keys) : ""}`,
    query: (again) => {
      const wider = again() < 0.6 ? "" : ` where (${where}) or ${condition(columns, again)}`
      const kept = again() < 0.3 ? [] : few(keys, again, 2)
      const calls = few(["count(*)", "sum(a.id)", "min(a.id)", "avg(a.id)"], again, 3).join(", ")
      if (grouped || again() < 0.5)
        return `select ${[...kept.map(({ text }) => text), calls].join(", ")} from ${table.name} a${wider}${group(kept)}`
      return `select ${names(few(columns, again, 3))} from ${table.name} a${wider}`
    },
  }
}

/** Arms that differ in their conditions, for set operations. */
function setForm(table: TableSpec, random: Random): Form {
  const columns = few(typedColumns(table, "a"), random, 3)
  const operator = pickOf(random, ["union all", "union all", "union", "intersect", "except"])
  const wheres = [condition(typedColumns(table, "a"), random), condition(typedColumns(table, "a"), random)]
  const arm = (list: readonly Typed[], where: string, named: boolean): string =>
    `select ${list.map(({ text }, at) => (named ? `${text} as x${at + 1}` : text)).join(", ")} from ${table.name} a where ${where}`
  const whole = (list: readonly Typed[], order: readonly string[], word: string): string =>
    `${arm(list, order[0]!, true)} ${word} ${arm(list, order[1]!, false)}`
  return {
    view: whole(columns, wheres, operator),
    query: (again) => {
      const list = again() < 0.5 ? columns : again() < 0.5 ? shuffled(columns, again) : few(columns, again, 2)
      const order = again() < 0.5 ? wheres : [...wheres].reverse()
      const word = again() < 0.75 ? operator : pickOf(again, ["union", "union all", "intersect"])
      const text = whole(list, order, word)
      const roll = again()
      if (roll < 0.6) return text
      if (roll < 0.8) return `select * from (${text}) s where x1 is ${again() < 0.7 ? "not " : ""}null`
      return `select x1, count(*) from (${text}) s group by x1`
    },
  }
}

/** A grouped subquery joined to a table by its key. */
function joinedGroups(tables: readonly TableSpec[], random: Random): Form {
  const child = pickOf(random, tables.filter((table) => table.references.length > 0).concat(tables.slice(-1)))
  const reference = child.references[0]
  const parent = tables.find((table) => table.name === reference?.table) ?? tables[0]!
  const key = reference?.column ?? "id"
  const summed = child.columns.find(({ type }) => type === "int" || type === "bigint")!.name
  const inner = (where: string): string =>
    `select a.${key} as k, count(*) as n, sum(a.${summed}) as s from ${child.name} a${where} group by a.${key}`
  const word = pickOf(random, ["join", "left join"])
  const columns = few(typedColumns(parent, "b"), random, 2)
  const outer = (list: string, where: string, more: string): string =>
    `select ${list} from (${inner(where)}) g ${word} ${parent.name} b on b.id = g.k${more}`
  const where = random() < 0.5 ? "" : ` where ${condition(typedColumns(child, "a"), random)}`
  return {
    view: outer(
      ["g.k", "g.n", "g.s", ...columns.map(({ text }) => text)].map((text, at) => `${text} as x${at + 1}`).join(", "),
      where,
      "",
    ),
    query: (again) => {
      const list = few(["g.k", "g.n", "g.s", ...columns.map(({ text }) => text)], again, 3)
      const tests = ["", "", " where g.n > 1", " where g.k is not null", ` where ${condition(columns, again)}`]
      if (again() < 0.25)
        return `select ${list[0]}, count(*), sum(g.n) from (${inner(where)}) g ${word} ${parent.name} b on b.id = g.k group by ${list[0]}`
      return outer(list.join(", "), where, pickOf(again, tests))
    },
  }
}

function firstRows(table: TableSpec, random: Random): Form {
  const columns = typedColumns(table, "a")
  const [key, value] = shuffled(columns, random)
  if (key === undefined || value === undefined) return numbered(table, random)
  const direction = pickOf(random, ["", " desc", " desc nulls last"])
  const rest = names(columns.filter((one) => one !== key && one !== value))
  const text = (list: string): string =>
    `select distinct on (${key.text}) ${list} from ${table.name} a order by ${key.text}, ${value.text}${direction}, ${rest}`
  return {
    view: text(columns.map(({ text: one }, at) => `${one} as x${at + 1}`).join(", ")),
    query: (again) => {
      const roll = again()
      const name = again() < 0.5 ? "max" : "min"
      if (roll < 0.4 && value.type !== "boolean")
        return `select ${key.text}, ${name}(${value.text}) from ${table.name} a group by ${key.text}`
      if (roll < 0.7) return text(names(few(columns, again, 3)))
      return `select * from (${text(names(columns))}) s where ${key.text.replace("a.", "s.")} is not null`
    },
  }
}

function numbered(table: TableSpec, random: Random): Form {
  const columns = typedColumns(table, "a")
  const [part, sort] = shuffled(columns, random)
  const over = `over (partition by ${part!.text} order by ${sort!.text}${random() < 0.5 ? "" : ", a.id"})`
  const call = pickOf(random, ["row_number()", "rank()", "count(*)", "max(a.id)"])
  return {
    view: `select ${columns.map(({ text }, at) => `${text} as x${at + 1}`).join(", ")}, ${call} ${over} as w from ${table.name} a`,
    query: (again) => {
      const where = pickOf(again, ["", "", ` where ${condition([part!], again)}`, ` where ${condition(columns, again)}`])
      const text = `select ${names(few(columns, again, 2))}, ${call} ${over} as w from ${table.name} a${where}`
      return again() < 0.5 ? text : `select * from (${text}) s where w = 1`
    },
  }
}

function subtotals(table: TableSpec, random: Random): Form {
  const columns = typedColumns(table, "a")
  const keys = few(columns, random, 3)
  const sets = pickOf(random, ["rollup", "cube"])
  const telling = random() < 0.6 ? `, grouping(${names(keys)}) as g` : ""
  const list = (some: readonly Typed[]): string => some.map(({ text }, at) => `${text} as x${at + 1}`).join(", ")
  return {
    view: `select ${list(keys)}, count(*) as n, max(a.id) as m${telling} from ${table.name} a group by ${sets}(${names(keys)})`,
    query: (again) => {
      const kept = few(keys, again, keys.length)
      const roll = again()
      if (roll < 0.35) return `select ${list(keys)}, count(*) as n from ${table.name} a group by ${sets}(${names(keys)})`
      if (roll < 0.45) return `select count(*), max(a.id) from ${table.name} a`
      return `select ${list(kept)}, count(*) as n, max(a.id) from ${table.name} a group by ${names(kept)}`
    },
  }
}

function topRows(table: TableSpec, random: Random): Form {
  const columns = typedColumns(table, "a")
  const order = names(shuffled(columns, random))
  return {
    view: `select ${columns.map(({ text }, at) => `${text} as x${at + 1}`).join(", ")} from ${table.name} a order by ${order} limit 4`,
    query: (again) =>
      `select ${names(few(columns, again, 2))} from ${table.name} a order by ${order} limit ${pickOf(again, [2, 4, 5])}`,
  }
}

/** EXISTS and IN, that a view may have as such or as a join. */
function semiJoined(tables: readonly TableSpec[], random: Random): Form {
  const child = pickOf(random, tables.filter((table) => table.references.length > 0).concat(tables.slice(-1)))
  const reference = child.references[0] ?? { column: "id", table: tables[0]!.name }
  const parent = tables.find((table) => table.name === reference.table)!
  const columns = typedColumns(child, "a")
  const test = random() < 0.5 ? "" : ` and ${condition(typedColumns(parent, "b"), random)}`
  const semi = (form: number): string => {
    if (form < 0.5) return `exists (select 1 from ${parent.name} b where b.id = a.${reference.column}${test})`
    return `a.${reference.column} in (select b.id from ${parent.name} b where true${test})`
  }
  const list = columns.map(({ text }, at) => `${text} as x${at + 1}`).join(", ")
  const joined = random() < 0.5
  const parents = few(typedColumns(parent, "b"), random, 3)
  return {
    view: joined
      ? `select ${list}, ${parents.map(({ text }, at) => `${text} as y${at + 1}`).join(", ")} from ${child.name} a join ${parent.name} b on b.id = a.${reference.column}`
      : `select ${list} from ${child.name} a where ${semi(random())}`,
    query: (again) => {
      const not = again() < 0.1 ? "not " : ""
      const more = again() < 0.5 ? "" : ` and ${condition(columns, again)}`
      if (again() < 0.2)
        return `select ${names(few(columns, again, 2))} from ${child.name} a where a.${reference.column} = (select max(b.id) from ${parent.name} b where b.id = a.${reference.column})`
      return `select ${names(few(columns, again, 3))} from ${child.name} a where ${not}${semi(again())}${more}`
    },
  }
}
