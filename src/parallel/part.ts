/** A share of the rows, read by one statement. */
export interface Part {
  readonly index: number
  /** Which of the division's conditions it has, and the values bound to that. */
  readonly condition: number
  readonly values: readonly unknown[]
  /** How much of the whole it is, 0..1, as far as it is known beforehand. */
  readonly share: number
}

/** What reading a part came to. */
export interface PartOutcome {
  readonly rows: number
  readonly bytes: number
  readonly ms: number
}

/** Hands out parts. Every part is handed out once, unless it is given back. */
export interface PartQueue {
  /** The next part for a worker; null when none is left for it. */
  take(worker: number): Part | null
  /** A part whose worker was lost before it had given anything. */
  giveBack(part: Part): void
  /** What a part came to, for the size of later ones. */
  done(part: Part, outcome: PartOutcome): void
}

/** A fixed list, first come, first served. */
export class ListQueue implements PartQueue {
  readonly #left: Part[]

  constructor(parts: readonly Part[]) {
    this.#left = [...parts]
  }

  take(): Part | null {
    return this.#left.shift() ?? null
  }

  giveBack(part: Part): void {
    this.#left.unshift(part)
  }

  done(): void {}
}

/** A fixed list dealt in turn to so many workers. What a worker that never came would have read, others read in the end. */
export class DealtQueue implements PartQueue {
  readonly #hands: Part[][]

  constructor(parts: readonly Part[], workers: number) {
    this.#hands = Array.from({ length: workers }, (_, worker) => parts.filter((part) => part.index % workers === worker))
  }

  take(worker: number): Part | null {
    const own = this.#hands[worker % this.#hands.length]!
    return own.shift() ?? this.#hands.find((hand) => hand.length > 0)?.shift() ?? null
  }

  giveBack(part: Part): void {
    this.#hands[part.index % this.#hands.length]!.unshift(part)
  }

  done(): void {}
}

/** Fewer blocks than this are not worth a statement. */
export const fewestBlocks = 256
/** The number that no block can have, above all others. */
export const lastBlock = 4_294_967_295

export interface BlockQueueOptions {
  readonly blocks: number
  readonly workers: number
  /** More parts than this cost more than they even out: what a part does besides its own rows is done again in each. */
  readonly mostParts: number
  /** Blocks for a batch of rows, as the statistics have it. */
  readonly blocksPerBatch: number
  readonly batchSize: number
  readonly strategy: "row_count" | "data_size" | "time_based"
  /** Bytes of a row of the answer. */
  readonly rowWidth: number
  /** Shorter parts would wait for the wire longer than they work. */
  readonly leastMs: number
  /** A first part for rows that have no block, where an outer join may make such. */
  readonly withoutBlock: boolean
}

/** What a part of strategy "time_based" aims at. */
const partMs = 200

/**
 * Pieces of a table, cut when they are asked for: at first a sixteenth of a worker's share, shorter towards the end, so that nobody is
 * left with a long one while the others have nothing to do.
 */
export class BlockQueue implements PartQueue {
  readonly #options: BlockQueueOptions
  readonly #returned: Part[] = []
  #next = 0
  #count = 0
  #blocksDone = 0
  #bytesDone = 0
  #msDone = 0
  readonly #sizes = new Map<number, number>()

  constructor(options: BlockQueueOptions) {
    this.#options = options
    if (options.withoutBlock) this.#returned.push({ index: this.#count++, condition: 1, values: [], share: 0 })
  }

  take(): Part | null {
    const returned = this.#returned.pop()
    if (returned !== undefined) return returned
    const { blocks } = this.#options
    // An empty table still has one part: aggregates over no rows give a row.
    if (this.#next >= blocks && !(blocks === 0 && this.#next === 0)) return null
    const from = this.#next
    const to = from + this.#size()
    this.#next = Math.max(to, 1)
    // The table may have grown since it was measured: the last part has no end.
    const end = to >= blocks ? lastBlock : to
    const index = this.#count++
    this.#sizes.set(index, Math.min(to, blocks) - from)
    return {
      index,
      condition: 0,
      values: [`(${from},0)`, `(${end},0)`],
      share: blocks === 0 ? 1 : (Math.min(to, blocks) - from) / blocks,
    }
  }

  giveBack(part: Part): void {
    this.#returned.push(part)
  }

  done(part: Part, { bytes, ms }: PartOutcome): void {
    this.#blocksDone += this.#sizes.get(part.index) ?? 0
    this.#bytesDone += bytes
    this.#msDone += ms
  }

  #size(): number {
    const { blocks, workers, mostParts, strategy } = this.#options
    const left = blocks - this.#next
    const guided = Math.min(Math.ceil(left / (4 * workers)), Math.ceil(blocks / (16 * workers)))
    const least = Math.max(fewestBlocks, Math.ceil(blocks / mostParts), this.#blocksFor(this.#options.leastMs))
    const wanted = Math.max(guided, least, strategy === "time_based" ? this.#blocksFor(partMs) : this.#blocksOfBatch())
    // Near the end everybody still gets something, though not less than is worth a statement.
    return Math.min(left, Math.max(Math.min(wanted, Math.ceil(left / workers)), Math.min(least, left)))
  }

  #blocksFor(ms: number): number {
    return this.#msDone === 0 ? 0 : Math.ceil((ms * this.#blocksDone) / this.#msDone)
  }

  #blocksOfBatch(): number {
    const { strategy, batchSize, blocksPerBatch, rowWidth } = this.#options
    if (strategy === "row_count" || this.#bytesDone === 0) return blocksPerBatch
    return Math.ceil((batchSize * rowWidth * this.#blocksDone) / this.#bytesDone)
  }
}
