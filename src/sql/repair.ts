const typeNames =
  "date|time(?: with(?:out)? time zone)?|timestamp(?: with(?:out)? time zone)?|timestamptz|timetz|interval|inet|uuid|jsonb?|numeric|text"

/**
 * Makes a statement of pg_stat_statements readable again where `$n` stands for something that the grammar wants written out: typed
 * literals (`interval $1`), type modifiers (`numeric($1, $2)`), the field of EXTRACT, precisions, and `IN ($1, ...)` as 18 shortens it.
 */
export function repairNormalised(text: string): string {
  return text
    .replace(/\$(\d+) \/\*, \.\.\. \*\//g, "$$$1")
    .replace(/\(\$(\d+), \.\.\.\)/g, "($$$1)")
    .replace(
      new RegExp(`(?<![\\w:])(${typeNames})\\s+\\$(\\d+)(?:\\s+(?:year|month|day|hour|minute|second)\\b)?`, "gi"),
      "$$$2::$1",
    )
    .replace(
      /((?:numeric|decimal|varchar|character varying|char|character|bit|timestamp|timestamptz|time|interval)\s*)\(\s*\$\d+(?:\s*,\s*\$\d+)?\s*\)/gi,
      "$1",
    )
    .replace(/\bextract\s*\(\s*\$\d+\s+from\b/gi, "extract(epoch from")
    .replace(/\b(current_timestamp|current_time|localtimestamp|localtime)\s*\(\s*\$\d+\s*\)/gi, "$1")
}
