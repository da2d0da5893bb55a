/** How often each thing has changed, as far as it was heard of here. Things are relations by their oid, and tags with a # before. */
export class Versions {
  readonly #of = new Map<string, number>()
  /** Counts whatever makes all of it worthless. */
  #generation = 0

  /** All of it has changed. */
  bumpAll(): void {
    this.#generation++
    this.#of.clear()
  }

  bump(name: string): void {
    this.#of.set(name, (this.#of.get(name) ?? 0) + 1)
  }

  /** What is true of these things now. To be taken before the statement is sent. */
  token(names: readonly string[]): Token {
    return { generation: this.#generation, names, versions: names.map((name) => this.#of.get(name) ?? 0) }
  }

  /** None of the things has changed since. */
  holds({ generation, names, versions }: Token): boolean {
    if (generation !== this.#generation) return false
    for (let at = 0; at < names.length; at++) if ((this.#of.get(names[at]!) ?? 0) !== versions[at]) return false
    return true
  }
}

export interface Token {
  readonly generation: number
  readonly names: readonly string[]
  readonly versions: readonly number[]
}
