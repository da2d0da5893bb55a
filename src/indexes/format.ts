import { SelectoError } from "../errors.ts"
import type { IndexRecommendation } from "./recommendation.ts"

export type MigrationFormat = "sql" | "prisma" | "drizzle" | "knex"

/** A file of a migration: its name, without a date, and its text. */
export interface MigrationFile {
  readonly name: string
  readonly text: string
}

/**
 * The recommendations as migration files. CREATE INDEX CONCURRENTLY runs outside a transaction and alone: Knex and plain SQL get one file
 * that says so; Prisma, which runs a file as one command, gets a file for each statement; Drizzle's migrator always opens a transaction,
 * so its file goes into a custom migration that is run by psql.
 */
export function formatAdvice(recommendations: readonly IndexRecommendation[], format: MigrationFormat): MigrationFile[] {
  const statements = recommendations.flatMap((one) => one.statements)
  const undo = [...recommendations].reverse().flatMap((one) => one.undo)
  switch (format) {
    case "sql":
      return [
        { name: "advised_indexes.up.sql", text: sqlText(recommendations) },
        {
          name: "advised_indexes.down.sql",
          text: `-- Run outside a transaction, one by one.\n${undo.map((one) => `${one};\n`).join("")}`,
        },
      ]
    case "prisma":
      return statements.map((statement, at) => ({
        name: `advised_index_${String(at + 1).padStart(2, "0")}/migration.sql`,
        text: `-- One statement a file: Prisma then runs it outside a transaction.\n${statement};\n`,
      }))
    case "drizzle":
      return [
        {
          name: "advised_indexes.sql",
          text: `-- Drizzle's migrator runs every file in a transaction, which CONCURRENTLY does not allow: run this file with psql.\n${statements.map((one) => `${one};\n`).join("--> statement-breakpoint\n")}`,
        },
      ]
    case "knex":
      return [{ name: "advised_indexes.mjs", text: knexText(statements, undo) }]
    default:
      throw new SelectoError("E_INVALID_OPTION", "The format is one of sql, prisma, drizzle, knex.", { path: "format" })
  }
}

function sqlText(recommendations: readonly IndexRecommendation[]): string {
  const parts = recommendations.map((one) => {
    const reason = one.reason.replaceAll("\n", " ")
    return `-- ${reason}\n${one.statements.map((statement) => `${statement};\n`).join("")}`
  })
  return `-- Run outside a transaction, one by one.\n\n${parts.join("\n")}`
}

function knexText(statements: readonly string[], undo: readonly string[]): string {
  const calls = (list: readonly string[]): string => list.map((one) => `  await knex.raw(${JSON.stringify(one)})\n`).join("")
  return `// CREATE INDEX CONCURRENTLY is not allowed in a transaction.
export const config = { transaction: false }

export async function up(knex) {
${calls(statements)}}

export async function down(knex) {
${calls(undo)}}
`
}
