import { SelectoError } from "../errors.ts"
import { didYouMean, suggestionsFor } from "../suggest.ts"

interface Fault {
  readonly path: string
  readonly message: string
  readonly suggestions?: readonly string[] | undefined
}

/** Faults of one domain, gathered so that all are shown at once. */
export class Faults {
  readonly #faults: Fault[] = []

  get any(): boolean {
    return this.#faults.length > 0
  }

  add(path: string, message: string, suggestions: readonly string[] = []): void {
    this.#faults.push({ path, message: `${message}${didYouMean(suggestions)}`, suggestions })
  }

  /** Adds a fault unless `name` is among `known`; tells whether it is. */
  member(path: string, name: string, known: Iterable<string>, what: string): boolean {
    const names = [...known]
    if (names.includes(name)) return true
    this.add(
      path,
      `${JSON.stringify(name)} is not a ${what}.`.replace(" a entry", " an entry").replace(" a association", " an association"),
      suggestionsFor(name, names),
    )
    return false
  }

  error(domain: string): SelectoError {
    const lines = this.#faults.map((fault) => `  ${fault.path === "" ? "(domain)" : fault.path}: ${fault.message}`)
    const count = this.#faults.length === 1 ? "1 fault" : `${this.#faults.length} faults`
    return new SelectoError("E_INVALID_DOMAIN", `The domain ${JSON.stringify(domain)} has ${count}:\n${lines.join("\n")}`, {
      path: this.#faults[0]?.path,
      suggestions: this.#faults[0]?.suggestions,
      faults: this.#faults,
    })
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Faults for keys that mean nothing here: a misspelt key must not be ignored in silence. */
export function knownKeys(faults: Faults, path: string, object: Record<string, unknown>, known: readonly string[]): void {
  for (const key of Object.keys(object))
    if (!known.includes(key))
      faults.add(path === "" ? key : `${path}.${key}`, "This key means nothing here.", suggestionsFor(key, known))
}

/** A string or a list of strings as a list; null for anything else. */
export function stringList(value: unknown): string[] | null {
  if (typeof value === "string") return [value]
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value
  return null
}
