/** What pg_hint_plan says about the hints of one planning, under `debug_print`: each hint as text, by what became of it. */
export interface HintNotice {
  readonly used: readonly string[]
  readonly notUsed: readonly string[]
  readonly duplicated: readonly string[]
  readonly failed: readonly string[]
  /** Complaints of its parser: where it stopped reading. */
  readonly complaints: readonly string[]
}

const sections = {
  "used hint:": "used",
  "not used hint:": "notUsed",
  "duplication hint:": "duplicated",
  "error hint:": "failed",
} as const

/** Reads the extension's notices; null where it said nothing about hints. */
export function readNotices(messages: readonly string[]): HintNotice | null {
  const notice = {
    used: [] as string[],
    notUsed: [] as string[],
    duplicated: [] as string[],
    failed: [] as string[],
    complaints: [] as string[],
  }
  let spoke = false
  for (const message of messages) {
    if (/^pg_hint_plan: hint syntax error|^pg_hint_plan: invalid/.test(message)) {
      notice.complaints.push(message.replace(/^pg_hint_plan: /, ""))
      continue
    }
    if (!/^pg_hint_plan(\[[^\]]*\])?:\s*\n/.test(message)) continue
    spoke = true
    let section: keyof typeof sections | null = null
    for (const line of message.split("\n").slice(1)) {
      if (Object.hasOwn(sections, line)) section = line as keyof typeof sections
      else if (section !== null && line.trim() !== "") notice[sections[section]].push(line)
    }
  }
  return spoke || notice.complaints.length > 0 ? notice : null
}

/** What the extension itself says of one hint, as a reason; null where it used the hint or said nothing. */
export function noticeReason(notice: HintNotice | null, sent: string): string | null {
  if (notice === null) return null
  const has = (list: readonly string[]): boolean => list.some((hint) => sameHint(hint, sent))
  if (has(notice.failed)) return "pg_hint_plan reports an error in it"
  if (has(notice.duplicated)) return "pg_hint_plan reports that another hint repeats it"
  if (has(notice.notUsed)) return "pg_hint_plan reports it as not used"
  if (!has(notice.used) && notice.complaints.length > 0) return `pg_hint_plan stopped reading: ${notice.complaints[0]}`
  return null
}

/** The extension prints hints with its own quoting: only blanks, parentheses and quotes make it quote a name. */
function sameHint(printed: string, sent: string): boolean {
  return printed.replaceAll('"', "").replace(/\s+/g, " ") === sent.replaceAll('"', "").replace(/\s+/g, " ")
}
