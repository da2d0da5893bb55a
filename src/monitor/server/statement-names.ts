import { setImmediate as later } from "node:timers/promises"
import { fingerprintSync, loadShapes, loadSql, normalizeSqlSync, repairNormalised, statementShapeSync } from "../../sql/index.ts"
import { summaryOf } from "../identities.ts"

/** What a queryid of the server stands for. Several queryids are one fingerprint: the server tells more apart than we do. */
export interface StatementName {
  readonly fingerprint: string
  /** One of ours: counted as the cost of watching, not as the database's work. */
  readonly own: boolean
}

/** What a fingerprint is. */
interface Spelling {
  /** As the server keeps it; null for utility commands, whose constants it does not take out. */
  readonly text: string | null
  readonly word: string
  described: Description | null
}

interface Description {
  readonly text: string | null
  readonly summary: string
  readonly tables: readonly TableName[]
}

export interface TableName {
  readonly schema: string | null
  readonly name: string
}

const sliceMs = 2
/** Longer texts are not given to the parser: its time would be felt. */
const longestParsed = 20_000
const charactersKept = 8_000_000
const query = /^[\s(]*(?:\/\*[\s\S]*?\*\/\s*|--[^\n]*\n\s*)*(select|insert|update|delete|merge|with|values|table)\b/i

/** From the server's queryids to our fingerprints, learned from the texts that are asked for once. */
export class StatementNames {
  readonly #names = new Map<string, StatementName>()
  readonly #spellings = new Map<string, Spelling>()
  #wanted = new Set<string>()
  #readAt: number | null = null
  #characters = 0
  readonly #everyMs: number

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  get(id: string): StatementName | undefined {
    return this.#names.get(id)
  }

  /** Statements that are known by their queryid only, so far. */
  get waiting(): number {
    return this.#wanted.size
  }

  /** Notes which statements there are: new ones are wanted, and those that are gone forgotten. */
  seen(ids: ReadonlySet<string>): void {
    this.#wanted = new Set([...ids].filter((id) => !this.#names.has(id)))
    if (this.#names.size <= 2 * ids.size + 1000) return
    for (const id of this.#names.keys()) if (!ids.has(id)) this.#names.delete(id)
    const used = new Set([...this.#names.values()].map(({ fingerprint }) => fingerprint))
    for (const [fingerprint, { text }] of this.#spellings)
      if (!used.has(fingerprint)) {
        this.#spellings.delete(fingerprint)
        this.#characters -= text?.length ?? 0
      }
  }

  /** The ids whose texts are to be asked for now; empty while there are none, or the last question is too fresh. */
  due(now: number): readonly string[] {
    if (this.#wanted.size === 0 || (this.#readAt !== null && now - this.#readAt < this.#everyMs)) return []
    this.#readAt = now
    return [...this.#wanted]
  }

  /** Learns the fingerprints of texts, a little at a time. What cannot be parsed keeps its queryid as its name. */
  async learn(texts: ReadonlyMap<string, string>): Promise<void> {
    await Promise.all([loadSql(), loadShapes()])
    let stop = performance.now() + sliceMs
    for (const [id, text] of texts) {
      this.#wanted.delete(id)
      const fingerprint = fingerprintOf(text) ?? `queryid:${id}`
      this.#names.set(id, { fingerprint, own: text.includes("/* selecto:") })
      this.#spell(fingerprint, text)
      if (performance.now() < stop) continue
      await later()
      stop = performance.now() + sliceMs
    }
  }

  /** Text without constants, summary, and tables of a fingerprint; null where it is not known. Worked out when it is first asked for. */
  describe(fingerprint: string): Description | null {
    const spelling = this.#spellings.get(fingerprint)
    if (spelling === undefined) return null
    spelling.described ??= descriptionOf(spelling)
    return spelling.described
  }

  #spell(fingerprint: string, text: string): void {
    if (this.#spellings.has(fingerprint)) return
    const command = query.exec(text)?.[1]
    const keeps = command !== undefined && this.#characters + text.length <= charactersKept
    if (keeps) this.#characters += text.length
    const word = command ?? /^\W*(\w+)/.exec(text)?.[1] ?? "?"
    this.#spellings.set(fingerprint, { text: keeps ? text : null, word: word.toUpperCase(), described: null })
  }
}

/** A statement's fingerprint from the text that pg_stat_statements keeps of it; null where it cannot be parsed. */
export function fingerprintOf(text: string): string | null {
  if (text.length > longestParsed) return null
  for (const attempt of [text, repairNormalised(text)])
    try {
      return fingerprintSync(attempt)
    } catch {
      // The server's own normalisation makes some texts unreadable: interval $1.
    }
  return null
}

function descriptionOf({ text, word }: Spelling): Description {
  if (text === null) return { text: null, summary: word, tables: [] }
  try {
    const repaired = repairNormalised(text)
    // A text that was evicted while it ran comes back with its constants.
    const normal = normalizeSqlSync(repaired)
    return { text: normal, summary: summaryOf(normal) ?? word, tables: tablesOf(normal) }
  } catch {
    return { text: null, summary: word, tables: [] }
  }
}

/** The tables that a statement names; none where its text cannot be read. The parser must be loaded. */
export function tablesOf(text: string): TableName[] {
  try {
    const { relations } = statementShapeSync(text)
    return relations.filter(({ kind }) => kind === "table").map(({ schema, name }) => ({ schema, name }))
  } catch {
    return []
  }
}
