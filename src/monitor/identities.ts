import { fingerprintSync, loadShapes, loadSql, normalizeSqlSync, statementShapeSync } from "../sql/index.ts"
import type { Entry, Identity } from "./entry.ts"
import { shapeKey } from "./shape-key.ts"
import type { StatementStore } from "./store.ts"

/** What texts of one shape lead to. */
export interface Slot {
  readonly key: number
  /** One of its texts; let go once the fingerprint is known. */
  sample: string | null
  fingerprint: string | null
  identity: Identity
  /** Where its calls are counted; null until the fingerprint is known and while there is no place. */
  entry: Entry | null
  /** Milliseconds that its calls took while they were counted as "other". */
  weight: number
  queued: boolean
}

/** Texts kept to be recognised at once, in each of two generations. */
const textsKept = 2048
const textCharacters = 2_000_000
const longestText = 8192
const shapesKept = 4096
const queueLength = 1024
/** Longer texts are not given to the parser: its time would be felt. */
const longestParsed = 20_000
const summaryLength = 255

/**
 * From a text to its slot: a map of texts seen lately, then our own guess at its shape. PostgreSQL's fingerprint is computed apart
 * from the calls, once a shape, within a budget. Both maps have two generations: when the young one is full it becomes the old one,
 * so nothing is moved on a hit and the memory is bounded.
 */
export class Identities {
  #youngTexts = new Map<string, Slot>()
  #oldTexts = new Map<string, Slot>()
  #characters = 0
  #youngShapes = new Map<number, Slot>()
  #oldShapes = new Map<number, Slot>()
  readonly #queue: Slot[] = []
  readonly #store: StatementStore
  readonly #perSecond: number
  #tokens: number
  #refilled: number
  #loaded = false
  /** Fingerprints computed, for the monitor's own health. */
  parsed = 0

  constructor(store: StatementStore, perSecond: number, now: number) {
    this.#store = store
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#refilled = now
  }

  get waiting(): number {
    return this.#queue.length
  }

  find(text: string): Slot {
    const known = this.#youngTexts.get(text)
    if (known !== undefined) return known
    const slot = this.#oldTexts.get(text) ?? this.#shape(text)
    if (text.length <= longestText) {
      if (this.#youngTexts.size >= textsKept || this.#characters > textCharacters) {
        this.#oldTexts = this.#youngTexts
        this.#youngTexts = new Map()
        this.#characters = 0
      }
      this.#youngTexts.set(text, slot)
      this.#characters += text.length
    }
    return slot
  }

  /** True when the slot will be identified before long: its calls may wait. */
  enqueue(slot: Slot): boolean {
    if (slot.queued) return true
    if (slot.fingerprint !== null || this.#queue.length >= queueLength) return false
    slot.queued = true
    this.#queue.push(slot)
    return true
  }

  /** Loads the parser. Its absence is no failure: statements are then known by their shape. */
  async load(): Promise<void> {
    await Promise.all([loadSql(), loadShapes()]).catch(() => {})
    this.#loaded = true
  }

  /** Identifies queued slots while the budget and `stopAt` (by the monotonic clock) allow. True when some are left. */
  resolve(clock: () => number, stopAt: number): boolean {
    if (this.#queue.length === 0) return false
    if (!this.#loaded) return true
    const now = clock()
    this.#tokens = Math.min(this.#perSecond, this.#tokens + (Math.max(0, now - this.#refilled) / 1000) * this.#perSecond)
    this.#refilled = now
    while (this.#queue.length > 0 && this.#tokens >= 1 && clock() <= stopAt) {
      this.#tokens--
      this.#identify(this.#queue.shift()!)
    }
    return this.#queue.length > 0
  }

  /** Gives places in a full store to those who took the most time outside of it. */
  rebalance(): void {
    const outside: Slot[] = []
    for (const shapes of [this.#youngShapes, this.#oldShapes])
      for (const slot of shapes.values()) {
        if (slot.fingerprint === null || (slot.entry !== null && !slot.entry.gone)) continue
        slot.entry = this.#store.get(slot.fingerprint) ?? null
        if (slot.entry === null && slot.weight > 0) outside.push(slot)
      }
    outside.sort((a, b) => b.weight - a.weight)
    const admitted = this.#store.full ? this.#store.displace(outside.map((slot) => slot.weight)) : outside.length
    for (const slot of outside.slice(0, admitted)) if (!this.#store.full || this.#store.get(slot.fingerprint!)) this.#admit(slot)
    // Old weight counts half: a place is for those who are heavy now.
    for (const slot of outside) slot.weight = slot.entry === null ? slot.weight / 2 : 0
  }

  #shape(text: string): Slot {
    const key = shapeKey(text)
    const known = this.#youngShapes.get(key)
    if (known !== undefined) return known
    const slot = this.#oldShapes.get(key) ?? {
      key,
      sample: text,
      fingerprint: null,
      identity: "shape" as const,
      entry: null,
      weight: 0,
      queued: false,
    }
    if (this.#youngShapes.size >= shapesKept) {
      this.#oldShapes = this.#youngShapes
      this.#youngShapes = new Map()
    }
    this.#youngShapes.set(key, slot)
    return slot
  }

  #identify(slot: Slot): void {
    slot.queued = false
    const text = slot.sample ?? ""
    this.parsed++
    try {
      if (text.length > longestParsed) throw new RangeError()
      slot.fingerprint = fingerprintSync(text)
      slot.identity = "fingerprint"
    } catch {
      slot.fingerprint = `shape:${slot.key.toString(16).padStart(14, "0")}`
    }
    slot.entry = this.#store.get(slot.fingerprint) ?? null
    if (slot.entry === null && !this.#store.full) this.#admit(slot)
  }

  #admit(slot: Slot): void {
    const text = slot.sample
    const known = slot.identity === "fingerprint" && text !== null
    slot.entry =
      this.#store.get(slot.fingerprint!) ??
      this.#store.add(slot.fingerprint!, slot.identity, known ? normalised(text) : null, known ? summaryOf(text) : null)
  }
}

function normalised(text: string): string | null {
  try {
    return normalizeSqlSync(text)
  } catch {
    return null
  }
}

/** `{operation} {target} {target}`, as OpenTelemetry's db.query.summary. */
export function summaryOf(text: string): string | null {
  try {
    const { command, relations } = statementShapeSync(text)
    const tables = relations.filter((relation) => relation.kind === "table").map((relation) => relation.name)
    return [command, ...new Set(tables)].join(" ").slice(0, summaryLength)
  } catch {
    return null
  }
}
