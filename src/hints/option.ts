import { SelectoError } from "../errors.ts"
import type { HintName, HintSpec, HintValues } from "./catalogue.ts"
import type { CheckOptions, HintCheck } from "./check.ts"
import { type HintInput, inputOfSpec, readHint } from "./hint.ts"

/** The methods that hints add to a query or statement. `Table` are the names that the query's tables have: join paths, table names. */
export interface Hintable<out Self, in Table extends string = string> {
  /**
   * Asks the planner for something: an index, a way or an order of joining, workers, a setting. Checked at once; the table names when
   * the statement is prepared. E_UNKNOWN_HINT, E_INVALID_HINT, E_HINT_PRIVILEGE.
   *
   * @example
   * q.hint("merge_join", ["orders", "customers"])   // with pg_hint_plan: MergeJoin(orders customers), before the statement
   * q.hint("work_mem", "256MB")                     // SET LOCAL work_mem = '256MB', in the statement's transaction
   */
  hint<Name extends HintName>(name: Name, value: HintValues<Table>[Name]): Self
  hint(spec: HintSpec<Table>): Self
  /** Asks for the plan with these hints, runs nothing (unless `analyze`), and says of each hint whether it is honoured. */
  checkHints(options?: CheckOptions): Promise<HintCheck>
}

/** What the stage finds under `request.options.hint`. */
export interface HintOption {
  readonly hints: readonly HintInput[]
  /** The domain's own; a hint of the query with the same name takes the place of one of them. */
  readonly defaults?: readonly HintInput[] | undefined
  /** Alias by join path of a builder query (`CompiledQuery.aliases`); "" is the root. */
  readonly paths?: ReadonlyMap<string, string> | undefined
  /** What to do with a hint that nothing on this server can enforce. Default "warn": report.warnings says so. */
  readonly unenforceable?: "warn" | "error" | undefined
}

/** `hint()` on a query: a changed option, checked. Throws E_UNKNOWN_HINT, E_INVALID_HINT, E_HINT_PRIVILEGE. */
export function addHint<Name extends HintName>(option: HintOption | undefined, name: Name, value: HintValues[Name]): HintOption
export function addHint(option: HintOption | undefined, spec: HintSpec): HintOption
export function addHint(option: HintOption | undefined, first: string | HintSpec, value?: unknown): HintOption {
  const input = typeof first === "string" ? { name: first, value } : inputOfSpec(first)
  readHint(input)
  return { ...option, hints: [...(option?.hints ?? []), input] }
}

/** The hints of an option, defaults first, checked. */
export function hintInputs(option: HintOption): HintInput[] {
  const own = new Set(option.hints.map(({ name }) => name))
  return [...(option.defaults ?? []).filter(({ name }) => !own.has(name)), ...option.hints]
}

/** The option as it stands in a request, or null where no hint was asked for. Throws E_INVALID_HINT for anything else. */
export function hintOptionOf(value: unknown): HintOption | null {
  if (value === undefined || value === null) return null
  const option = value as HintOption
  if (typeof option !== "object" || !Array.isArray(option.hints))
    throw new SelectoError("E_INVALID_HINT", "The option `hint` of a request is made by addHint().", { path: "hint" })
  if (option.unenforceable !== undefined && option.unenforceable !== "warn" && option.unenforceable !== "error")
    throw new SelectoError("E_INVALID_OPTION", '`unenforceable` is "warn" or "error".', { path: "unenforceable" })
  return option.hints.length === 0 && (option.defaults ?? []).length === 0 ? null : option
}
