import { compareValues, isOnGrid, onGrid, type Value } from "../../../sql/typing/index.ts"
import { type Comparator, isTerm, type Literal, type Term } from "./formula.ts"
import { matchesPattern, patternWithin } from "./pattern.ts"

/**
 * False when no row can make all the literals true at once. True where that was not found: the answer is sound for proofs by refutation.
 * Equal terms form classes; classes and constants are points of a graph of "at most" and "less than", in which a circle with a "less than"
 * is a contradiction; terms with neighbours (integers, dates) have their bounds moved to values that they can have.
 */
export function consistent(literals: readonly Literal[]): boolean {
  const state = new State()
  for (const literal of literals) if (!state.add(literal)) return false
  return state.settle()
}

/** Bounds of a class among known values. */
interface Bounds {
  low: Value | null
  high: Value | null
}

class State {
  readonly #parents = new Map<string, string>()
  readonly #terms = new Map<string, Term>()
  readonly #values = new Map<string, Value>()
  readonly #orders: { readonly left: string; readonly right: string; readonly strict: boolean }[] = []
  readonly #different: (readonly [string, string])[] = []
  readonly #nulls = new Set<string>()
  readonly #present = new Set<string>()
  readonly #among: { readonly term: string; readonly values: ReadonlySet<string>; readonly is: boolean }[] = []

  /** False where the literal contradicts by itself. */
  add(literal: Literal): boolean {
    switch (literal.kind) {
      case "null":
        this.#terms.set(literal.term.key, literal.term)
        ;(literal.is ? this.#nulls : this.#present).add(literal.term.key)
        return true
      case "among": {
        const values = new Set(literal.values.map((value) => this.#point(value)))
        this.#among.push({ term: this.#point(literal.term), values, is: literal.is })
        return true
      }
      case "order":
        return this.#compare(this.#point(literal.left), literal.operator, this.#point(literal.right))
    }
  }

  #point(side: Term | Value): string {
    if (isTerm(side)) {
      this.#terms.set(side.key, side)
      this.#present.add(side.key)
      return side.key
    }
    const key = `= ${side.domain} ${side.key}`
    this.#values.set(key, side)
    return key
  }

  #compare(left: string, operator: Comparator, right: string): boolean {
    switch (operator) {
      case "=":
        return this.#unite(left, right)
      case "<>":
        this.#different.push([left, right])
        return true
      case "<":
      case "<=":
        this.#orders.push({ left, right, strict: operator === "<" })
        return true
      default:
        this.#orders.push({ left: right, right: left, strict: operator === ">" })
        return true
    }
  }

  #root(key: string): string {
    let at = key
    for (let parent = this.#parents.get(at); parent !== undefined; parent = this.#parents.get(at)) at = parent
    return at
  }

  /** Constants are the roots of their classes, so that two of them cannot share one. */
  #unite(left: string, right: string): boolean {
    const [a, b] = [this.#root(left), this.#root(right)]
    if (a === b) return true
    const [one, other] = [this.#values.get(a), this.#values.get(b)]
    if (one !== undefined && other !== undefined) return compareValues(one, other) === null
    if (one !== undefined) this.#parents.set(b, a)
    else this.#parents.set(a, b)
    return true
  }

  settle(): boolean {
    if (!this.#nullsAgree() || !this.#patternsAgree()) return false
    // Each round may find two classes to be one; there are no more rounds than classes.
    for (let round = 0; round <= this.#terms.size; round++) {
      const verdict = this.#round()
      if (verdict !== "again") return verdict
    }
    return true
  }

  #nullsAgree(): boolean {
    for (const key of this.#nulls) if (this.#present.has(key)) return false
    return true
  }

  #round(): boolean | "again" {
    const keys = [...new Set([...this.#present, ...this.#values.keys()].map((key) => this.#root(key)))]
    const index = new Map(keys.map((key, at) => [key, at]))
    const count = keys.length
    // 0 nothing known, 1 at most, 2 less.
    const less = new Uint8Array(count * count)
    const note = (left: string, right: string, strict: boolean): void => {
      const at = index.get(this.#root(left))! * count + index.get(this.#root(right))!
      less[at] = Math.max(less[at]!, strict ? 2 : 1)
    }
    for (const { left, right, strict } of this.#orders) note(left, right, strict)
    const values = [...this.#values]
    for (const [a, one] of values) for (const [b, other] of values) if (compareValues(one, other) === -1) note(a, b, true)
    close(less, count)
    for (let at = 0; at < count; at++) if (less[at * count + at] === 2) return false
    for (let a = 0; a < count; a++)
      for (let b = 0; b < a; b++)
        if (less[a * count + b]! > 0 && less[b * count + a]! > 0) return this.#unite(keys[a]!, keys[b]!) ? "again" : false
    for (const [a, b] of this.#different) if (this.#root(a) === this.#root(b)) return false
    return this.#bounded(keys, less, count)
  }

  /** Looks at each class with its bounds: integers between 3 and 4 are none, and one between 3 and 3 is 3. */
  #bounded(keys: readonly string[], less: Uint8Array, count: number): boolean | "again" {
    for (const [at, key] of keys.entries()) {
      if (this.#values.has(key)) {
        if (!this.#allowed(key, this.#values.get(key)!)) return false
        continue
      }
      const step = this.#stepOf(key)
      const bounds: Bounds = { low: null, high: null }
      for (const [other, value] of this.#valuesAmong(keys)) {
        const above = less[at * count + other]!
        const below = less[other * count + at]!
        if (above > 0)
          bounds.high = lower(bounds.high, step === null ? value : onGrid(value, step, above === 2, above === 2 ? -1n : 0n))
        if (below > 0)
          bounds.low = higher(bounds.low, step === null ? value : onGrid(value, step, below === 1, below === 2 ? 1n : 0n))
      }
      const listed = this.#listed(key)
      if (listed !== null && !listed.some((value) => inside(value, bounds) && this.#allowed(key, value))) return false
      if (step === null) continue
      for (let guard = 0; guard < 1000; guard++) {
        if (bounds.low !== null && bounds.high !== null && compareValues(bounds.low, bounds.high) === 1) return false
        if (bounds.low !== null && !this.#allowed(key, bounds.low)) bounds.low = onGrid(bounds.low, step, false, 1n)
        else if (bounds.high !== null && !this.#allowed(key, bounds.high)) bounds.high = onGrid(bounds.high, step, false, -1n)
        else break
      }
      if (bounds.low !== null && bounds.high !== null && compareValues(bounds.low, bounds.high) === 0)
        return this.#unite(key, this.#point(bounds.low)) ? "again" : false
    }
    return true
  }

  #valuesAmong(keys: readonly string[]): (readonly [number, Value])[] {
    return keys.flatMap((key, at) => (this.#values.has(key) ? [[at, this.#values.get(key)!] as const] : []))
  }

  #stepOf(root: string): bigint | null {
    let step: bigint | null = null
    for (const [key, term] of this.#terms)
      if (term.step !== null && this.#root(key) === root && (step === null || term.step > step)) step = term.step
    return step
  }

  /** The values that a class must be one of; null when there is no such list. */
  #listed(root: string): readonly Value[] | null {
    const lists = this.#among.filter((list) => list.is && this.#root(list.term) === root)
    if (lists.length === 0) return null
    const [first, ...rest] = lists
    return [...first!.values]
      .filter((value) => rest.every((list) => list.values.has(value)))
      .map((value) => this.#values.get(value)!)
  }

  /** False when the class of this key is said not to be the value. */
  #allowed(root: string, value: Value): boolean {
    const point = `= ${value.domain} ${value.key}`
    const step = this.#stepOf(root)
    if (step !== null && value.position !== null && typeof value.position !== "number" && !isOnGrid(value, step)) return false
    for (const list of this.#among) if (this.#root(list.term) === root && list.values.has(point) !== list.is) return false
    for (const [a, b] of this.#different) {
      if (this.#root(a) === root && this.#root(b) === point) return false
      if (this.#root(b) === root && this.#root(a) === point) return false
    }
    return true
  }

  /** LIKE: what matches 'EU-W%' matches 'EU%'. */
  #patternsAgree(): boolean {
    const likes = [...this.#terms].flatMap(([key, term]) => {
      const value = term.like === null ? undefined : this.#values.get(this.#root(key))
      return value === undefined ? [] : [{ ...term.like!, holds: value.key === "1" }]
    })
    for (const one of likes) {
      const subject = this.#values.get(this.#root(one.subject))
      const matched = subject === undefined ? null : matchesPattern(subject.key, one.pattern)
      if (matched !== null && matched !== one.holds) return false
      for (const other of likes) {
        const same = this.#root(one.subject) === this.#root(other.subject)
        if (same && one.holds && !other.holds && patternWithin(one.pattern, other.pattern)) return false
      }
    }
    return true
  }
}

/** Transitive closure: less than beats at most. */
function close(less: Uint8Array, count: number): void {
  for (let via = 0; via < count; via++) {
    for (let from = 0; from < count; from++) {
      const first = less[from * count + via]!
      if (first === 0) continue
      for (let to = 0; to < count; to++) {
        const second = less[via * count + to]!
        if (second === 0) continue
        const at = from * count + to
        less[at] = Math.max(less[at]!, first === 2 || second === 2 ? 2 : 1)
      }
    }
  }
}

function lower(a: Value | null, b: Value | null): Value | null {
  if (a === null || b === null) return a ?? b
  return compareValues(a, b) === -1 ? a : b
}

function higher(a: Value | null, b: Value | null): Value | null {
  if (a === null || b === null) return a ?? b
  return compareValues(a, b) === 1 ? a : b
}

function inside(value: Value, { low, high }: Bounds): boolean {
  if (low !== null && compareValues(value, low) === -1) return false
  return high === null || compareValues(value, high) !== 1
}
