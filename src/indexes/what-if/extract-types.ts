import { quoteQualified } from "../../sql/identifier.ts"
import type { CatalogCollation, CatalogFunction, CatalogType, Skipped } from "./catalog.ts"
import type { Row } from "./extract-rows.ts"

/** The collation that columns without one of their own have. */
export function databaseCollation(row: Row): CatalogCollation {
  const provider = row.provider ?? "c"
  return {
    schema: "",
    name: "default",
    provider,
    locale: provider === "c" ? (row.collate ?? null) : (row.locale ?? null),
    deterministic: true,
  }
}

/** User types; base types only to be imitated, unless their extension can be created. */
export function typesOf(rows: readonly Row[]): (CatalogType & { readonly extension: string | null })[] {
  return rows.map((row) => ({
    schema: row.schema ?? "",
    name: row.name ?? "",
    kind: row.kind as CatalogType["kind"],
    labels: JSON.parse(row.labels ?? "[]") as string[],
    definition:
      (row.definition ?? "") + (row.collation == null || row.collation === "default" ? "" : ` collate ${row.collation}`),
    extension: row.extension ?? null,
  }))
}

const volatility: Record<string, string> = { i: "immutable", s: "stable", v: "volatile" }
const parallel: Record<string, string> = { s: "safe", r: "restricted", u: "unsafe" }

/**
 * SQL and PL/pgSQL functions as they are (the planner inlines the first and needs the properties of both); others as a stand-in
 * with the same signature, cost and volatility that answers NULL.
 */
export function functionsOf(rows: readonly Row[], skipped: Skipped[]): CatalogFunction[] {
  return rows.map((row) => {
    const name = quoteQualified(row.schema, row.name)
    const language = row.language ?? ""
    if (row.definition == null) {
      skipped.push({
        kind: "function",
        name: `${name}(${row.arguments})`,
        why: `language ${language}: replaced by a stand-in that answers NULL`,
      })
    }
    return {
      schema: row.schema ?? "",
      name: row.name ?? "",
      arguments: row.arguments ?? "",
      returns: row.returns ?? "",
      language,
      definition: row.definition ?? standIn(row, name),
    }
  })
}

function standIn(row: Row, name: string): string {
  const strict = row.strict === "true" || row.strict === "t" ? " strict" : ""
  const rows = row.set === "true" || row.set === "t" ? ` rows ${Number(row.rows)}` : ""
  return `create or replace function ${name}(${row.arguments}) returns ${row.returns} language plpgsql ${volatility[row.volatility ?? "v"]}${strict}
    parallel ${parallel[row.parallel ?? "u"]} cost ${Number(row.cost)}${rows} as $selecto$ begin return${rows === "" ? " null" : ""}; end $selecto$`
}
