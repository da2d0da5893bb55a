import { SelectoError } from "../errors.ts"

/** A hint in pg_hint_plan's own words: `HashJoin(a b)`, `Leading(((a b) c))`. */
export interface CommentHint {
  readonly keyword: string
  readonly args: readonly CommentArgument[]
}
export type CommentArgument = string | readonly CommentArgument[]

/** Keywords of pg_hint_plan 1.3 to 1.9, by the lower-case form in which it compares them. */
const keywords: ReadonlyMap<string, string> = new Map(
  (
    "SeqScan TidScan IndexScan IndexScanRegexp IndexOnlyScan IndexOnlyScanRegexp BitmapScan BitmapScanRegexp NoSeqScan NoTidScan " +
    "NoIndexScan NoIndexOnlyScan NoBitmapScan DisableIndex NestLoop HashJoin MergeJoin NoNestLoop NoHashJoin NoMergeJoin Memoize " +
    "NoMemoize Leading Rows Parallel Set"
  )
    .split(" ")
    .map((keyword) => [keyword.toLowerCase(), keyword]),
)

/** The text of a hint comment. Throws E_INVALID_HINT for a name that would end the comment. */
export function printComment(hints: readonly CommentHint[]): string {
  return `/*+ ${hints.map(printHint).join(" ")} */`
}

/** One hint as text. */
export function printHint({ keyword, args }: CommentHint): string {
  return `${keyword}(${args.map(printArgument).join(" ")})`
}

function printArgument(argument: CommentArgument): string {
  if (typeof argument !== "string") return `(${argument.map(printArgument).join(" ")})`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (argument === "" || /\*\/|\/\*|[\x00-\x1f\x7f]/.test(argument))
    throw new SelectoError("E_INVALID_HINT", "A name in a hint is empty, or holds a comment delimiter or a control character.")
  // The extension takes isspace() of the server's locale for a blank: whatever is not plainly a word is quoted.
  return /^[A-Za-z0-9_$#+*.-]+$/.test(argument) ? argument : `"${argument.replaceAll('"', '""')}"`
}

/**
 * Reads the inside of a hint comment by the extension's own grammar: keywords in any case, blanks between hints, arguments bare or
 * in double quotes with `""` for a quote. Throws E_HINT_BLOCK where the extension would stop reading.
 */
export function parseComment(text: string): CommentHint[] {
  const inner = /^\/\*\+([\s\S]*)\*\/$/.exec(text)?.[1] ?? text
  let at = 0
  const blank = (): void => {
    while (at < inner.length && /\s/.test(inner[at]!)) at++
  }
  const fault = (what: string): SelectoError =>
    new SelectoError(
      "E_HINT_BLOCK",
      `The hint comment of the statement cannot be read at character ${at + 1}: ${what}. Correct it, or write it with hint().`,
    )
  const word = (): string => {
    let value = ""
    if (inner[at] === '"') {
      for (at++; ; at++) {
        if (at >= inner.length) throw fault("a quoted name is not closed")
        if (inner[at] === '"' && inner[++at] !== '"') break
        value += inner[at]
      }
    } else while (at < inner.length && !/[\s()"]/.test(inner[at]!)) value += inner[at++]
    if (value === "") throw fault("a name is missing")
    return value
  }
  const list = (): CommentArgument[] => {
    if (inner[at] !== "(") throw fault("an opening parenthesis is missing")
    const args: CommentArgument[] = []
    for (at++; ; ) {
      blank()
      if (at >= inner.length) throw fault("a closing parenthesis is missing")
      if (inner[at] === ")") break
      args.push(inner[at] === "(" ? list() : word())
    }
    at++
    return args
  }
  const hints: CommentHint[] = []
  for (blank(); at < inner.length; blank()) {
    const start = at
    const keyword = keywords.get(word().toLowerCase())
    if (keyword === undefined) {
      at = start
      throw fault("that is no hint of pg_hint_plan")
    }
    blank()
    hints.push({ keyword, args: list() })
  }
  return hints
}

/** What a hint is about: two hints with the same subject repeat or contradict each other. */
export function subjectOfComment({ keyword, args }: CommentHint): string {
  const first = typeof args[0] === "string" ? args[0] : ""
  const names = args.filter((argument) => typeof argument === "string")
  if (/^(No)?(NestLoop|HashJoin|MergeJoin)$/.test(keyword)) return `join ${[...names].sort().join(" ")}`
  if (/Memoize$/.test(keyword)) return `memoize ${[...names].sort().join(" ")}`
  if (keyword === "Rows") return `rows ${names.slice(0, -1).sort().join(" ")}`
  if (keyword === "Leading") return "leading"
  if (keyword === "Set") return `set ${first.toLowerCase()}`
  if (keyword === "Parallel" || keyword === "DisableIndex") return `${keyword.toLowerCase()} ${first}`
  return `scan ${first}`
}
