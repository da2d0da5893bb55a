// A domain as large as those the budgets are promised for, as source text.

const specs = ["integer", "string", "decimal", "timestamptz", "boolean", "string?", "jsonb?", "bigint", "date", "float"]

/** `tables` tables of `columns` columns; table 0 is the root, each table has `children` next ones as left joins. */
export function bigDefinition(tables = 40, columns = 30, children = 39): string {
  const column = (i: number) =>
    i === 0
      ? '"integer"'
      : i === 1
        ? '{ type: "enum", pgType: "mood", values: ["sad", "ok", "glad"] }'
        : `"${specs[i % specs.length]}"`
  const below = (t: number) => Array.from({ length: children }, (_, i) => t * children + i + 1).filter((child) => child < tables)
  const table = (t: number) => `{ table: "table_${t}", primaryKey: "c0",
    columns: { ${Array.from({ length: columns }, (_, i) => `c${i}: ${column(i)}`).join(", ")} },
    associations: { ${below(t)
      .map(
        (child) =>
          `t${child}: { target: "table_${child}", ownerKey: "c0", relatedKey: "c0"${child % 3 === 0 ? ", many: true" : ""} }`,
      )
      .join(", ")} } }`
  const joins = (t: number): string =>
    `{ ${below(t)
      .map(
        (child) =>
          `t${child}: { type: "${child % 2 === 0 ? "left" : "inner"}"${below(child).length > 0 ? `, joins: ${joins(child)}` : ""} }`,
      )
      .join(", ")} }`
  return `{ name: "Big", source: ${table(0)},
    schemas: { ${Array.from({ length: tables - 1 }, (_, i) => `table_${i + 1}: ${table(i + 1)}`).join(",\n")} },
    joins: ${joins(0)} }`
}

/** A module that defines the domain, named by an interface. */
export function bigDomain(tables = 40, columns = 30, children = 39): string {
  return `import type { DomainOf } from "../../src/domain/domain.ts"
import { defineDomain } from "./surface.ts"
const definition = ${bigDefinition(tables, columns, children)} as const
export interface Big extends DomainOf<typeof definition> {}
export const big: Big = defineDomain(definition)
`
}

const imports = `import { big } from "./big-domain.ts"
import { and, asc, avg, between, caseWhen, coalesce, contains, count, dateTrunc, desc, eq, exists, from, gt, isNull, like, lower, max, nest, not, oneOf, or, round, sum } from "./surface.ts"
const q = from(big)
`
const shapes = [
  (a: number) => `q.select("c0", "c3", "t${a}.c5").filter({ c1: "ok", "t${a}.c2": gt(${a}) }).orderBy("c3").limit(10)`,
  (a: number, b: number) => `q.select({ kind: "c1", region: "t${a}.c5", revenue: sum("t${b}.c2"), n: count() })
  .filter({ c1: oneOf(["ok", "sad"]), c3: between("2023-01-01", "2024-01-01") }).filter(or(eq("t${a}.c1", "sad"), exists("t${b}", { c5: like("A%") })))
  .groupBy("c1", "t${a}.c5").having(gt(sum("t${b}.c2"), 1000)).orderBy(desc("revenue"), "region")`,
  (a: number, b: number) =>
    `q.select({ id: "c0", items: nest("t${a}", { mood: "c1", price: "c2" }, { orderBy: desc("c2"), limit: 3 }), last: max("t${b}.c3") }).groupBy("c0")`,
  (
    a: number,
    b: number,
  ) => `q.select({ month: dateTrunc("month", "c3"), mean: round(avg("t${a}.c2"), 2), total: coalesce(sum("c2"), 0), big: count().filter({ "t${b}.c2": gt(10) }) })
  .filter(and(not({ c4: true }), isNull("t${a}.c6"), contains("t${b}.c5", "x"))).groupBy(dateTrunc("month", "c3"))`,
  (a: number, b: number) =>
    `q.select({ name: lower("t${a}.c5"), size: caseWhen([[{ "t${b}.c0": gt(5) }, "large"]], "small") }).filter(eq("t${a}.c1", "glad")).orderBy(asc("t${b}.c8", { nulls: "last" }))`,
]

/** A module with `n` queries of five shapes over different tables. */
export function bigQueries(n: number, tables = 40): string {
  return (
    imports +
    Array.from(
      { length: n },
      (_, i) =>
        `export const q${i} = ${shapes[i % shapes.length]!(1 + ((i * 7) % (tables - 1)), 1 + ((i * 11 + 5) % (tables - 1)))}\n`,
    ).join("")
  )
}
