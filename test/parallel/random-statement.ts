import type { ParallelOptions } from "../../src/parallel/index.ts"
import { randomOf } from "../support/random.ts"

/** A source of random choices that a seed decides. */
export class Dice {
  readonly next: () => number

  constructor(seed: number) {
    this.next = randomOf(seed)
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }

  some<T>(list: readonly T[], least: number, most: number): T[] {
    const left = [...list]
    const count = Math.min(left.length, least + this.below(most - least + 1))
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0]!)
  }
}

/**
 * How a column of the answer is compared: its text, or what its text means where equal values have several texts and any row of a
 * group may give the one that is shown.
 */
export type Reading = "text" | "number" | "folded" | "json" | "interval"

export interface RandomStatement {
  readonly text: string
  readonly values: readonly unknown[]
  readonly readings: readonly Reading[]
  /** The answer's order is decided by ORDER BY. */
  readonly ordered: boolean
  readonly options: ParallelOptions
}

interface Column {
  readonly sql: string
  readonly reading: Reading
  readonly kind: "integer" | "numeric" | "float" | "text" | "time" | "interval" | "boolean" | "other"
}

const column = (sql: string, kind: Column["kind"], reading: Reading = "text"): Column => ({ sql, kind, reading })
const main: readonly Column[] = [
  column("m.k", "integer"),
  column("m.small", "integer"),
  column("m.big", "integer"),
  column("m.n", "numeric", "number"),
  column("m.f", "float", "number"),
  column("m.t", "text"),
  column("m.tc", "text"),
  column("m.ti", "text", "folded"),
  column("m.c", "text"),
  column("m.vc", "text"),
  column("m.d", "time"),
  column("m.ts", "time"),
  column("m.tz", "time"),
  column("m.iv", "interval", "interval"),
  column("m.j", "other", "json"),
  column("m.b", "boolean"),
  column("m.u", "other"),
  column("m.by", "other"),
  column("m.e", "other"),
  column("m.arr", "other"),
  column("m.r", "other"),
  column("m.x", "text"),
  column("m.k % 7", "integer"),
  column("lower(m.t)", "text"),
  column("date_trunc('month', m.ts)", "time"),
  column("m.tz::date", "time"),
  column("coalesce(m.k, -1)", "integer"),
  column("case when m.k > 50 then 'high' when m.k is null then null else 'low' end", "text"),
]
const plain: readonly Column[] = [
  column("m.k", "integer"),
  column("m.n", "numeric", "number"),
  column("m.t", "text"),
  column("m.k + 1", "integer"),
]
const joined: readonly Column[] = [column("d.label", "text"), column("d.grp", "integer")]

interface From {
  readonly sql: string
  readonly prefix?: string
  readonly columns: readonly Column[]
  /** An expression that tells rows apart; null where outer joins make that hard. */
  readonly id: string
}

function fromOf(dice: Dice): From {
  const kind = dice.below(16)
  if (kind < 6) return { sql: "main m", columns: main, id: "m.id" }
  if (kind < 7) return { sql: "parted m", columns: plain, id: "m.id" }
  if (kind < 8)
    return { sql: dice.chance(0.5) ? "nobody m" : "heavy m", columns: plain.filter(({ sql }) => sql !== "m.t"), id: "m.id" }
  if (kind < 9) return { sql: "main m join dim d on d.id = m.k", columns: [...main, ...joined], id: "m.id" }
  if (kind < 10) return { sql: "main m left join dim d on d.id = m.k", columns: [...main, ...joined], id: "m.id" }
  if (kind < 11) return { sql: "dim d left join main m on m.k = d.id", columns: [...main, ...joined], id: "d.id, m.id" }
  if (kind < 12)
    return { sql: "main m full join dim d on d.id = m.k and m.small = 1", columns: [...main, ...joined], id: "d.id, m.id" }
  if (kind < 13) return { sql: "(select * from main where k is not null or b) m", columns: main, id: "m.id" }
  if (kind < 14)
    return { sql: "q m", prefix: "with q as (select id, k, n, t from main where small > 0) ", columns: plain, id: "m.id" }
  if (kind < 15) return { sql: "seen m", columns: plain, id: "m.id" }
  return {
    sql: "main m cross join (values (1), (2)) as two(i)",
    columns: [...main, column("two.i", "integer")],
    id: "m.id, two.i",
  }
}

function filterOf(dice: Dice, columns: readonly Column[], values: unknown[]): string {
  const one = (): string => {
    const { sql, kind } = dice.pick(columns)
    if (dice.chance(0.15)) return `${sql} is ${dice.chance(0.5) ? "not " : ""}null`
    if (dice.chance(0.1)) return `m.id ${dice.chance(0.5) ? "<" : ">="} ${dice.below(12_000)}`
    if (dice.chance(0.05)) return "exists (select from dim x where x.id = m.k)"
    switch (kind) {
      case "integer":
        values.push(dice.below(100) - 5)
        return `${sql} ${dice.pick(["<", ">=", "<>", "="])} $${values.length}::int`
      case "numeric":
        return `${sql} ${dice.pick(["<", ">="])} ${dice.below(100) / 10}`
      case "float":
        return `${sql} > ${dice.below(16) - 8}`
      case "text":
        return `${sql} ${dice.pick(["<", ">", "<>"])} '${dice.pick(["m", "b", "anna", ""])}'`
      case "time":
        return `${sql} < '2021-0${1 + dice.below(9)}-01'`
      case "boolean":
        return sql
      default:
        return `${sql} is not null`
    }
  }
  const count = dice.pick([0, 0, 1, 1, 2])
  const tests = Array.from({ length: count }, one)
  return tests.length === 0 ? "" : ` where ${tests.join(dice.chance(0.7) ? " and " : " or ")}`
}

interface Aggregate {
  readonly sql: string
  readonly reading: Reading
}

function aggregateOf(dice: Dice, columns: readonly Column[], distinct: string | null): Aggregate {
  const filter = dice.chance(0.2) ? " filter (where m.id % 3 = 1)" : ""
  const { sql, kind, reading } = dice.pick(columns)
  const kinds: Aggregate[] = [
    { sql: `count(*)${filter}`, reading: "text" },
    { sql: `count(${sql})${filter}`, reading: "text" },
    { sql: `sum(m.k)${filter}`, reading: "text" },
    { sql: `sum(m.n)${filter}`, reading: "text" },
    { sql: `avg(m.n)${filter}`, reading: "text" },
    { sql: `avg(m.k)${filter}`, reading: "text" },
  ]
  if (distinct !== null)
    kinds.push({ sql: `count(distinct ${distinct})`, reading: "text" }, { sql: `count(distinct ${distinct})`, reading: "text" })
  if (kind === "integer" || kind === "numeric")
    kinds.push(
      ...["sum", "avg", "variance", "var_pop", "stddev", "stddev_pop"].map((name) => ({
        sql: `${name}(${sql})${filter}`,
        reading: "text" as const,
      })),
    )
  // Quarters in so small a number add up exactly, whatever the order.
  if (kind === "float")
    kinds.push({ sql: `sum(${sql})${filter}`, reading: "number" }, { sql: `avg(${sql})${filter}`, reading: "number" })
  if (kind === "interval")
    kinds.push({ sql: `sum(${sql})${filter}`, reading: "interval" }, { sql: `avg(${sql})${filter}`, reading: "interval" })
  if (kind === "boolean")
    kinds.push({ sql: `bool_and(${sql})${filter}`, reading: "text" }, { sql: `bool_or(${sql})`, reading: "text" })
  if (kind !== "other" && kind !== "boolean") {
    kinds.push({ sql: `min(${sql})${filter}`, reading }, { sql: `max(${sql})${filter}`, reading })
    kinds.push({ sql: `max(${sql})${filter}`, reading })
  }
  if (sql === "m.k") kinds.push({ sql: `bit_and(${sql})`, reading: "text" }, { sql: `bit_or(${sql})`, reading: "text" })
  if (dice.chance(0.1)) kinds.push({ sql: "array_agg(m.id order by m.id)", reading: "text" })
  if (dice.chance(0.05)) kinds.push({ sql: "string_agg(m.id::text, ',' order by m.id desc)", reading: "text" })
  if (dice.chance(0.05)) kinds.push({ sql: "percentile_disc(0.5) within group (order by m.k)", reading: "text" })
  const chosen = dice.pick(kinds)
  return dice.chance(0.1) && chosen.sql.startsWith("sum(m.k)") ? { ...chosen, sql: `coalesce(${chosen.sql}, 0) * 2 + 1` } : chosen
}

const direction = (dice: Dice): string => dice.pick(["", "", " desc", " desc nulls last", " nulls first"])

function limitOf(dice: Dice, values: unknown[]): string {
  if (!dice.chance(0.35)) return ""
  const limit = dice.pick([0, 1, 3, 10, 500, 20_000])
  const offset = dice.chance(0.4) ? ` offset ${dice.pick([0, 2, 7, 100])}` : ""
  if (dice.chance(0.5)) return ` limit ${limit}${offset}`
  values.push(limit)
  return ` limit $${values.length}${offset}`
}

/** A random statement over the tricky tables, and random options. */
export function randomStatement(dice: Dice): RandomStatement {
  const values: unknown[] = []
  const from = fromOf(dice)
  const { columns } = from
  const where = filterOf(dice, columns, values)
  const kind = dice.below(20)
  const body =
    kind < 8
      ? grouped(dice, from, where, values)
      : kind < 10
        ? scalar(dice, from, where)
        : kind < 15
          ? rows(dice, from, where, values)
          : kind < 17
            ? distinct(dice, from, where, values)
            : kind < 18
              ? distinctOn(dice, from, where, values)
              : windows(dice, from, where, values)
  return { ...body, text: `${from.prefix ?? ""}${body.text}`, values, options: optionsOf(dice) }
}

type Body = Omit<RandomStatement, "values" | "options">

function grouped(dice: Dice, from: From, where: string, values: unknown[]): Body {
  const keys = dice.some(from.columns, 1, 3)
  const counted = dice.chance(0.25) ? dice.pick(from.columns).sql : null
  const aggregates = Array.from({ length: 1 + dice.below(4) }, () => aggregateOf(dice, from.columns, counted))
  const sets = dice.chance(0.12)
  const list = sets
    ? dice.pick([`rollup(${keys.map(({ sql }) => sql).join(", ")})`, `cube(${keys.map(({ sql }) => sql).join(", ")})`])
    : keys.map(({ sql }) => sql).join(", ")
  const having = dice.chance(0.25) ? ` having count(*) ${dice.pick([">", "<"])} ${dice.below(400)}` : ""
  const grouping = sets ? keys.map(({ sql }) => `grouping(${sql})`) : []
  // All keys decide the order, unless the order is left open.
  const sorted = dice.chance(0.8)
  const order = sorted ? ` order by ${[...keys.map((_key, at) => `${at + 1}${direction(dice)}`), ...grouping].join(", ")}` : ""
  const limit = sorted ? limitOf(dice, values) : ""
  const output = [
    ...keys.map(({ sql }, at) => `${sql} as k${at}`),
    ...grouping.map((sql, at) => `${sql} as g${at}`),
    ...aggregates.map(({ sql }, at) => `${sql} as a${at}`),
  ]
  return {
    text: `select ${output.join(", ")} from ${from.sql}${where} group by ${list}${having}${order}${limit}`,
    readings: [
      ...keys.map(({ reading }) => reading),
      ...grouping.map(() => "text" as const),
      ...aggregates.map(({ reading }) => reading),
    ],
    ordered: sorted,
  }
}

/** The identity of a row as columns of their own names. */
function idOf(from: From): string {
  return from.id
    .split(", ")
    .map((sql, at) => `${sql} as id${at}`)
    .join(", ")
}

function scalar(dice: Dice, from: From, where: string): Body {
  const counted = dice.chance(0.3) ? dice.pick(from.columns).sql : null
  const aggregates = Array.from({ length: 1 + dice.below(5) }, () => aggregateOf(dice, from.columns, counted))
  const having = dice.chance(0.1) ? " having count(*) > 100" : ""
  return {
    text: `select ${aggregates.map(({ sql }, at) => `${sql} as a${at}`).join(", ")} from ${from.sql}${where}${having}`,
    readings: aggregates.map(({ reading }) => reading),
    ordered: true,
  }
}

function rows(dice: Dice, from: From, where: string, values: unknown[]): Body {
  const chosen = dice.some(from.columns, 1, 4)
  const sorted = dice.chance(0.75)
  const by = dice.some(from.columns, 0, 2).map(({ sql }) => `${sql}${direction(dice)}`)
  const order = sorted ? ` order by ${[...by, from.id].join(", ")}` : ""
  const limit = sorted ? limitOf(dice, values) : ""
  return {
    text: `select ${[idOf(from), ...chosen.map(({ sql }, at) => `${sql} as c${at}`)].join(", ")} from ${from.sql}${where}${order}${limit}`,
    readings: [...from.id.split(", ").map(() => "text" as const), ...chosen.map(() => "text" as const)],
    ordered: sorted,
  }
}

function distinct(dice: Dice, from: From, where: string, values: unknown[]): Body {
  const chosen = dice.some(from.columns, 1, 3)
  const sorted = dice.chance(0.75)
  const order = sorted ? ` order by ${chosen.map((_column, at) => `${at + 1}${direction(dice)}`).join(", ")}` : ""
  const limit = sorted ? limitOf(dice, values) : ""
  return {
    text: `select distinct ${chosen.map(({ sql }, at) => `${sql} as c${at}`).join(", ")} from ${from.sql}${where}${order}${limit}`,
    readings: chosen.map(({ reading }) => reading),
    ordered: sorted,
  }
}

function distinctOn(dice: Dice, from: From, where: string, values: unknown[]): Body {
  const key = dice.pick(from.columns)
  const limit = limitOf(dice, values)
  return {
    text: `select distinct on (${key.sql}) ${key.sql} as k, ${idOf(from)} from ${from.sql}${where} order by ${key.sql}${direction(dice)}, ${from.id}${limit}`,
    readings: [key.reading, ...from.id.split(", ").map(() => "text" as const)],
    ordered: true,
  }
}

function windows(dice: Dice, from: From, where: string, values: unknown[]): Body {
  const key = dice.pick(from.columns)
  const over = `(partition by ${key.sql} order by ${from.id})`
  const calls = dice.some(
    [
      `row_number() over ${over}`,
      `sum(m.k) over ${over}`,
      `lag(m.id) over ${over}`,
      `count(*) over (partition by ${key.sql})`,
      `first_value(m.id) over ${over}`,
    ],
    1,
    2,
  )
  const sorted = dice.chance(0.8)
  const order = sorted ? ` order by ${from.id}` : ""
  const limit = sorted ? limitOf(dice, values) : ""
  return {
    text: `select ${idOf(from)}, ${calls.map((call, at) => `${call} as w${at}`).join(", ")} from ${from.sql}${where}${order}${limit}`,
    readings: [...from.id.split(", "), ...calls].map(() => "text" as const),
    ordered: sorted,
  }
}

function optionsOf(dice: Dice): ParallelOptions {
  const partition = dice.pick<ParallelOptions["partition"]>([
    "auto",
    "auto",
    "auto",
    "auto",
    { roundRobin: true },
    { hash: "k" },
    { range: "id" },
    { custom: ({ alias }) => [`${alias}.id < 300`, `${alias}.id % 3 = 1`, `${alias}.id > 200 or ${alias}.id is null`] },
  ])
  return {
    workers: 2 + dice.below(3),
    partition,
    merge: dice.chance(0.3) ? "hash" : "auto",
    batchStrategy: dice.pick(["row_count", "data_size", "time_based"]),
    batchSize: dice.pick([10, 1000]),
  }
}
