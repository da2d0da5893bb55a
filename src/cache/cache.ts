import { LRUCache } from "lru-cache"
import { pruneLog } from "../changes/index.ts"
import type { Database } from "../database/database.ts"
import type { Request, Response, Stage, Warning } from "../execution/request.ts"
import { sqlLoaded, statementShapeSync } from "../sql/index.ts"
import { bytesOf } from "../units.ts"
import { type Context, readContext } from "./context.ts"
import { type Analysis, analyse } from "./dependencies.ts"
import { Ear } from "./ear.ts"
import { type Entries, type Entry, memoryEntries } from "./entry.ts"
import { type Filled, type Flight, wait } from "./flight.ts"
import { marked, type Seen, stillTrue } from "./judge.ts"
import { outputKey, settingsKey, valuesKey } from "./key.ts"
import {
  type CacheDefaults,
  type CacheMode,
  type CacheOptions,
  checkCacheDefaults,
  type SettledCache,
  settleCache,
} from "./option.ts"
import { giveRows, keepRows } from "./rows.ts"
import { mayWrite } from "./rules.ts"
import { Counters } from "./stats.ts"
import { type Token, Versions } from "./versions.ts"

type Next = (request: Request) => Promise<Response>

/** What the stage finds under `request.options.cache`. */
export interface CacheRequest {
  /** undefined: not asked for by the query itself; false: not even by its domain. */
  readonly options?: CacheOptions | false | undefined
  /** Of the query's domain. */
  readonly domain?: CacheOptions | undefined
}

/** What is known of a text. */
interface TextRecord {
  readonly id: number
  analysis: Analysis | null
  /** What was true of the catalog when it was asked; and until when that is believed where nobody tells of changes. */
  token: Token
  until: number
}

/** How long names and definitions are taken for what they were, in mode "ttl" and beside what is told in the others. */
const believedMs = 60_000
const pruneMs = 60_000
const catalog = ["0"]

/** Results kept and given again, as new as the mode promises. */
export class ResultCache {
  readonly mode: CacheMode
  readonly counters: Counters = new Counters()
  readonly versions: Versions = new Versions()
  readonly entries: Entries
  readonly ear: Ear | null
  readonly stage: Stage
  readonly #database: Database
  readonly #defaults: CacheDefaults
  readonly #functions: ReadonlySet<string>
  readonly #texts = new LRUCache<string, TextRecord>({
    max: 5000,
    maxSize: 8_000_000,
    sizeCalculation: (_, text) => text.length + 200,
  })
  readonly #writers = new LRUCache<string, boolean>({
    max: 5000,
    maxSize: 8_000_000,
    sizeCalculation: (_, text) => text.length + 8,
  })
  readonly #flights = new Map<string, Flight>()
  #texted = 0
  #context: { readonly context: Context; readonly token: Token; readonly until: number } | null = null
  #pruning: NodeJS.Timeout | undefined

  constructor(database: Database, defaults: CacheDefaults) {
    checkCacheDefaults(defaults)
    this.#database = database
    this.#defaults = defaults
    this.mode = defaults.mode ?? "delivered"
    this.#functions = new Set(defaults.functions ?? [])
    this.entries = memoryEntries(bytesOf(defaults.maxBytes ?? "64MB", "maxBytes"))
    const heard = (): void => {
      this.counters.invalidations++
    }
    this.ear = this.mode === "delivered" ? new Ear(database, this.versions, defaults.heartbeat ?? "5s", heard) : null
    this.stage = {
      name: "cache",
      run: (request, next) => this.#run(request, next),
      prepare: async (request) => this.#streamed(request),
    }
  }

  /** Something was, or may have been, written in this process by other ways than a statement on its own. */
  wrote(): void {
    this.ear?.wrote()
  }

  async close(): Promise<void> {
    clearInterval(this.#pruning)
    await this.ear?.close()
    this.entries.clear()
  }

  #run(request: Request, next: Next): Promise<Response> {
    const asked = request.options.cache as CacheRequest | undefined
    const call = asked?.options
    if (asked === undefined || call === false || (call === undefined && asked.domain === undefined))
      return this.#past(request, next)
    const options = settleCache(this.mode, this.#defaults, asked.domain ?? {}, call ?? {})
    if (request.transaction !== null) return this.#bypass(request, next, "in a transaction", null)
    if (request.snapshot !== null || request.isolation !== null || request.prelude.length > 0)
      return this.#bypass(request, next, "with a transaction of its own", null)
    return this.#quick(request, options) ?? this.#slow(request, next, options)
  }

  /** A kept result that nobody has to be asked about; null otherwise. */
  #quick(request: Request, options: SettledCache): Promise<Response> | null {
    if (this.mode === "strict" || (this.ear !== null && !(this.ear.up && this.ear.settled))) return null
    const record = this.#texts.get(request.statement.text)
    const context = this.#known()
    if (record === undefined || context === null || !this.#believed(record) || record.analysis === null) return null
    const entry = this.entries.get(keyOf(context, record, request))
    if (entry === undefined || !this.#valid(entry, options)) return null
    return Promise.resolve(this.#hit(request, entry, performance.now(), null))
  }

  async #slow(request: Request, next: Next, options: SettledCache): Promise<Response> {
    const started = performance.now()
    if (this.ear !== null) {
      if (this.#database.direct.capabilities.listen !== true)
        return this.#bypass(request, next, 'the driver has no LISTEN: use mode "strict"', "cache_refused")
      await this.ear.start()
      if (this.ear.up && !this.ear.settled) await this.ear.settle().catch(() => {})
      if (!this.ear.up || !this.ear.settled) return this.#bypass(request, next, "changes are not heard at the moment", null)
    }
    const context = this.#known() ?? (await this.#learnContext())
    if (context.standby) return this.#bypass(request, next, "this server is a standby", "cache_refused")
    const record = await this.#recordOf(request)
    const { analysis } = record
    if (analysis === null || !this.versions.holds(record.token))
      return this.#bypass(request, next, "a definition has just changed", null)
    if (analysis.refusal !== null) return this.#bypass(request, next, analysis.refusal, "cache_refused")
    if (analysis.missing.length > 0) return this.#bypass(request, next, notInstalled(analysis.missing), "cache_not_installed")
    const key = keyOf(context, record, request)
    const entry = this.entries.get(key)
    if (entry !== undefined) {
      const valid = this.#valid(entry, options)
      if (valid && (this.mode !== "strict" || (await stillTrue(this.#database, entry, request))))
        return this.#hit(request, entry, started, null)
      if (valid) {
        // Which of them has changed is not told: it may be a definition.
        record.analysis = null
        this.counters.invalidations++
      }
      if (this.#mayBeStale(entry, options)) {
        this.#refresh(key, request, next, options)
        return this.#hit(request, entry, started, staleWarning)
      }
    }
    return this.#fetch(key, request, next, options, await this.#recordOf(request))
  }

  /** Joins who asks the same already, if what he gets is new enough; else asks. */
  async #fetch(key: string, request: Request, next: Next, options: SettledCache, record: TextRecord): Promise<Response> {
    const started = performance.now()
    const flight = this.#flights.get(key)
    // Strict: his snapshot may be older than a commit that this caller has seen finish.
    if (flight !== undefined && this.mode !== "strict" && this.versions.holds(flight.token)) {
      const entry = await wait(
        flight.landed.catch(() => null),
        request.signal,
        request.timeoutMs,
      )
      if (entry !== null) {
        this.counters.joined++
        return this.#hit(request, entry, started, null)
      }
    }
    this.counters.misses++
    return (await this.#fill(key, request, next, options, record)).response
  }

  async #fill(key: string, request: Request, next: Next, options: SettledCache, record: TextRecord): Promise<Filled> {
    const analysis = record.analysis
    if (analysis === null || analysis.refusal !== null || analysis.missing.length > 0)
      return { response: await next(request), entry: null }
    const names = [...analysis.relations.map(String), ...options.tags.map((tag) => `#${tag}`)]
    // Before the statement is sent: whatever is heard from now on may not be in its snapshot.
    const token = this.versions.token(names)
    let land: (entry: Entry | null) => void = () => {}
    const flight: Flight = {
      token,
      landed: new Promise((resolve) => {
        land = resolve
      }),
    }
    this.#flights.set(key, flight)
    const at = new Date()
    const sent = performance.now()
    const seen: Seen = { mark: null, outdated: false }
    let entry: Entry | null = null
    try {
      const response = await next(this.mode === "strict" ? marked(request, analysis, seen) : request)
      const cost = performance.now() - sent
      if (seen.outdated) record.analysis = null
      if (this.#storable(response, seen)) {
        const kept = keepRows(response.rows)
        const { relations } = analysis
        entry = { kept, columns: response.columns, token, relations, mark: seen.mark, at, filledAt: performance.now(), cost }
        if (this.versions.holds(token)) this.entries.set(key, entry)
        else this.counters.discarded++
      } else this.counters.discarded++
      return { response, entry }
    } finally {
      land(entry)
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
  }

  /** Only what reflects the primary as it is: no view that may lag behind, no parts of different moments. */
  #storable({ report }: Response, seen: Seen): boolean {
    if (this.mode === "strict" && (seen.mark === null || seen.outdated)) return false
    return report.source === "database" && !report.warnings.some(({ code }) => code === "parallel_inconsistent")
  }

  /** Fetches anew in the background, once. */
  #refresh(key: string, request: Request, next: Next, options: SettledCache): void {
    const flight = this.#flights.get(key)
    if (flight !== undefined && this.versions.holds(flight.token)) return
    const { timeoutMs } = request
    const alone: Request = { ...request, signal: undefined, timeoutMs: timeoutMs ?? 60_000 }
    // Who asks next and finds nothing new asks again, and hears what went wrong.
    void this.#recordOf(alone)
      .then((record) => this.#fill(key, alone, next, options, record))
      .catch(() => {})
  }

  #valid({ token, filledAt }: Entry, { ttlMs }: SettledCache): boolean {
    return this.versions.holds(token) && (ttlMs === null || performance.now() - filledAt < ttlMs)
  }

  #mayBeStale({ token, filledAt }: Entry, { ttlMs, staleMs }: SettledCache): boolean {
    if (staleMs === 0 || performance.now() - filledAt >= (ttlMs ?? 0) + staleMs) return false
    // What somebody has dropped by name is not given any more.
    return token.names.every(
      (name, at) => !name.startsWith("#") || this.versions.token([name]).versions[0] === token.versions[at],
    )
  }

  #hit(request: Request, entry: Entry, started: number, warning: Warning | null): Response {
    const rows = giveRows(entry.kept)
    const total = performance.now() - started
    this.counters.hits++
    if (warning !== null) this.counters.stale++
    this.counters.savedMs += Math.max(0, entry.cost - total)
    return {
      rows,
      columns: entry.columns,
      report: {
        source: "cache",
        view: null,
        asOf: { snapshot: null, at: entry.at },
        hints: null,
        parallel: null,
        route: null,
        timings: { poolWait: 0, server: 0, transfer: 0, total },
        sql: request.statement.text,
        warnings: warning === null ? request.warnings : [...request.warnings, warning],
      },
    }
  }

  async #bypass(request: Request, next: Next, reason: string, code: string | null): Promise<Response> {
    this.counters.bypass(reason)
    const response = await this.#past(request, next)
    if (code === null) return response
    const message = code === "cache_refused" ? `The result is not cached: ${reason}.` : reason
    return { ...response, report: { ...response.report, warnings: [...response.report.warnings, { code, message }] } }
  }

  /** A statement that is not cached: what it may have written must be heard of before the next kept result is given. */
  #past(request: Request, next: Next): Promise<Response> {
    const { ear } = this
    if (ear === null || request.transaction !== null || request.readOnly) return next(request)
    return next(request).finally(() => this.#ran(ear, request.statement.text))
  }

  /** A stream is never kept; what it writes counts like what others do. */
  #streamed(request: Request): Request {
    const { ear } = this
    if (ear === null || request.transaction !== null) return request
    const { onEnd } = request
    return {
      ...request,
      onEnd: (end) => {
        this.#ran(ear, request.statement.text)
        onEnd?.(end)
      },
    }
  }

  /** Where nothing has been cached yet there is nothing that a write could make old: then no text is read for it. */
  #ran(ear: Ear, text: string): void {
    if (ear.started && this.#writes(text)) ear.wrote()
  }

  #writes(text: string): boolean {
    const known = this.#writers.get(text)
    if (known !== undefined) return known
    if (!sqlLoaded()) return true
    let writes = true
    try {
      writes = mayWrite(statementShapeSync(text))
    } catch {
      // What cannot be read may do anything.
    }
    this.#writers.set(text, writes)
    return writes
  }

  #believed({ token, until }: { readonly token: Token; readonly until: number }): boolean {
    return performance.now() < until && this.versions.holds(token)
  }

  #known(): Context | null {
    return this.#context !== null && this.#believed(this.#context) ? this.#context.context : null
  }

  async #learnContext(): Promise<Context> {
    const token = this.versions.token(catalog)
    const context = await readContext(this.#database)
    this.#context = { context, token, until: performance.now() + believedMs }
    this.#keepLogShort()
    return context
  }

  async #recordOf({ statement: { text, values } }: Request): Promise<TextRecord> {
    const known = this.#texts.get(text)
    if (known !== undefined && known.analysis !== null && this.#believed(known)) return known
    const token = this.versions.token(catalog)
    const tracked = this.mode === "ttl" ? null : this.mode === "strict" ? "log" : "notify"
    const analysis = await analyse(this.#database, text, values, { tracked, functions: this.#functions })
    const record: TextRecord = { id: known?.id ?? ++this.#texted, analysis, token, until: performance.now() + believedMs }
    this.#texts.set(text, record)
    return record
  }

  /** Mode "strict" reads the change log, which somebody has to shorten. */
  #keepLogShort(): void {
    if (this.mode !== "strict" || this.#pruning !== undefined) return
    this.#pruning = setInterval(() => void pruneLog(this.#database).catch(() => {}), pruneMs)
    this.#pruning.unref()
  }
}

function keyOf({ key }: Context, { id }: TextRecord, request: Request): string {
  return `${id}|${valuesKey(request.statement.values)}|${settingsKey(request)}|${outputKey(request)}|${key}`
}

function notInstalled(tables: readonly string[]): string {
  return `The result is not cached, because nobody would tell of changes: call selecto.cache.install(${JSON.stringify(tables)}) once.`
}

const staleWarning: Warning = { code: "cache_stale", message: "The rows are not valid any more; new ones are being fetched." }
