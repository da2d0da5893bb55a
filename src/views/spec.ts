import type { RetryOptions } from "../changes/index.ts"
import type { QueryOptions, Session } from "../database/database.ts"
import { SelectoError } from "../errors.ts"
import { quoteQualified, type StatementShape, splitStatements, statementShape } from "../sql/index.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import { pinSettings } from "./fill.ts"
import type { ViewName } from "./name.ts"
import { type Probe, probeView } from "./probe.ts"
import type { RefreshProgress } from "./refresh.ts"
import { limits } from "./state.ts"
import { checkTimezone, type KeptStrategy, keptStrategy, type RefreshStrategy } from "./strategy.ts"

/** How a view is kept. */
export interface KeepOptions {
  /** When it is refreshed. Default "immediate": once, now. */
  readonly refresh?: RefreshStrategy | undefined
  /** The zone in which schedules count and every refresh runs, so that the day of a timestamptz is always the same one. Default "UTC". */
  readonly timezone?: string | undefined
  /** Queries may be answered from it while it is not older than this, although tables have changed since. */
  readonly maxStaleness?: Duration | undefined
  /** Follows changes of its tables (triggers and a change log), so that it is known whether it is exact. Default false. */
  readonly track?: boolean | undefined
}

/** A view as it is to be. */
export interface ViewSpec extends KeepOptions {
  readonly name: ViewName
  /** Its SELECT, without placeholders. */
  readonly text: string
  /** Columns of a unique index, so that it can be refreshed while it is read. Default: found from group keys; `[]`: none. */
  readonly unique?: readonly string[] | undefined
  /** Columns of further indexes. */
  readonly indexes?: readonly (readonly string[])[] | undefined
}

/** Options of calls that make a view. */
export interface MakeOptions extends RetryOptions {
  /** Longest time that filling it may take. Default "1h". */
  readonly timeout?: Duration | undefined
  readonly onProgress?: ((event: RefreshProgress) => void) | undefined
}

/** A view of a query that is there already. */
export interface MaterializeOptions extends Omit<ViewSpec, "text">, MakeOptions {
  /** Bound values become literals of the definition: the view then holds the answer for these values only. Default: refused. */
  readonly inlineValues?: boolean | undefined
}

/** Options as they are kept. */
export interface Kept {
  readonly strategy: KeptStrategy
  readonly timeZone: string
  readonly maxStalenessMs: number | null
  readonly tracked: boolean
}

/** Checks how a view is to be kept. Errors: E_INVALID_OPTION. */
export function keptOf({ refresh, timezone, maxStaleness, track }: KeepOptions): Kept {
  const timeZone = timezone ?? "UTC"
  checkTimezone(timeZone)
  return {
    strategy: keptStrategy(refresh ?? "immediate", timeZone),
    timeZone,
    maxStalenessMs: maxStaleness === undefined ? null : millisecondsOf(maxStaleness, "maxStaleness"),
    tracked: track === true,
  }
}

/** Reads a definition. Errors: E_SQL_SYNTAX, E_SQL_STATEMENT_COUNT, E_VIEW_PARAMETERS, E_UNSUPPORTED_INPUT for what is no SELECT. */
export async function readDefinition(text: string): Promise<StatementShape> {
  const shape = await statementShape(text)
  if (shape.parameters.length > 0)
    throw new SelectoError(
      "E_VIEW_PARAMETERS",
      `The query has ${shape.parameters.length} bound values, and a materialized view has no parameters. Make it without these conditions and filter what reads it, or write the values into it: { inlineValues: true }.`,
    )
  if (shape.kind !== "select" || shape.writes.length > 0 || shape.blocks.some(({ locking }) => locking.length > 0))
    throw new SelectoError("E_UNSUPPORTED_INPUT", "A materialized view is made of a SELECT that neither writes nor locks.")
  return shape
}

/**
 * CREATE MATERIALIZED VIEW … WITH NO DATA in an open transaction, and what the catalog tells of it. The text has been read before: it is
 * one SELECT.
 */
export async function createEmpty(
  session: Session,
  place: { readonly schema: string; readonly name: string },
  text: string,
  timeZone: string,
  options: QueryOptions,
): Promise<Probe> {
  // Times that are written in it are read in this zone.
  await pinSettings(session, timeZone)
  const [body] = await splitStatements(text)
  await session.query(
    {
      text: `create materialized view ${quoteQualified(place.schema, place.name)} as\n${body!.text}\nwith no data /* selecto:views */`,
      values: [],
    },
    options,
  )
  const oid = "select pg_catalog.to_regclass($1)::oid::int8::text as oid /* selecto:views */"
  const { rows } = await session.queryText({ text: oid, values: [quoteQualified(place.schema, place.name)] }, limits)
  return (await probeView(session, Number(rows[0]![0]), options))!
}
