/**
 * How many bytes an index would take, from statistics alone. Layouts are those of PostgreSQL's access methods; each formula
 * names the source file it follows.
 */
const page = 8192
const header = 24
const special = 16
const linePointer = 4
const tid = 6

/** A key or included column as sizes see it. */
export interface SizedColumn {
  /** Average width in bytes, with a varying type's own header. */
  readonly width: number
  /** Alignment in bytes; short varying values have none. */
  readonly align: number
  readonly varying: boolean
  readonly nullFraction: number
  /** Distinct values among the rows of the index. */
  readonly distinct: number
  /** Shares of all rows that the most common values have. */
  readonly commonFrequencies: readonly number[]
  /** Widths of typical values, each standing for as many rows; empty: all of the average width. */
  readonly widths: readonly number[]
  /** Elements in an average value of an array-like type. */
  readonly elements: number | null
  /** Shares of all rows that have each of the most common elements. */
  readonly elementFrequencies: readonly number[]
}

export interface SizeInput {
  readonly method: string
  readonly rows: number
  readonly heapPages: number
  readonly columns: readonly SizedColumn[]
  readonly keyCount: number
  readonly deduplicates: boolean
  /** Distinct combinations of the keys, where the planner was asked; null: derived from the columns. */
  readonly distinct: number | null
  readonly pagesPerRange: number
  readonly fillFactor: number | null
}

/** Bytes of the index, whole pages, meta page included. */
export function indexBytes(input: SizeInput): number {
  const pages: Record<string, (input: SizeInput) => number> = {
    btree: btreePages,
    hash: hashPages,
    brin: brinPages,
    gin: ginPages,
    gist: (one) => treePages(one, 0.9, 0),
    spgist: (one) => treePages(one, 0.8, 8),
  }
  return Math.ceil((pages[input.method] ?? btreePages)(input)) * page
}

/** Levels above the leaves of a btree of so many pages: 0 for a lone root. */
export function btreeHeight(pages: number, columns: readonly SizedColumn[], rows: number): number {
  let level = Math.max(1, pages - 1)
  const fanOut = Math.max(2, Math.floor((page * 0.7 - header - special) / (pivotBytes(level, columns, rows) + linePointer)))
  let height = 0
  for (; level > 1; height++) level = Math.ceil(level / fanOut)
  return height
}

/** nbtsort.c, nbtdedup.c: leaves filled to 90 %, equal keys in posting lists of at most a tenth of a page. */
function btreePages(input: SizeInput): number {
  const { rows, columns, keyCount } = input
  if (rows < 1) return 1
  const tuple = tupleBytes(columns)
  const posting = page / 10 - ((page / 10) % 8) - linePointer
  const perPosting = Math.max(1, Math.floor((Math.floor(posting / 8) * 8 - tuple) / tid))
  let bytes = 0
  for (const { groups, size } of input.deduplicates ? groupsOf(input) : [{ groups: rows, size: 1 }]) {
    const full = Math.floor(size / perPosting)
    const rest = size - full * perPosting
    const ofSize = (count: number): number => (count <= 1 ? tuple : aligned(tuple + count * tid)) + linePointer
    bytes += groups * (full * ofSize(perPosting) + (rest > 0 ? ofSize(rest) : 0))
  }
  const usable = page * ((input.fillFactor ?? 90) / 100) - header - special - tuple - linePointer
  const leaves = Math.max(1, Math.ceil(bytes / usable))
  const fanOut = Math.max(
    2,
    Math.floor((page * 0.7 - header - special) / (pivotBytes(leaves, columns.slice(0, keyCount), rows) + linePointer)),
  )
  let pages = leaves + 1
  for (let level = leaves; level > 1; ) {
    level = Math.ceil(level / fanOut)
    pages += level
  }
  return pages
}

interface Groups {
  readonly groups: number
  readonly size: number
}

/** How many groups of equal keys there are, and how many rows each has. */
function groupsOf({ rows, columns, keyCount, distinct }: SizeInput): Groups[] {
  const keys = columns.slice(0, keyCount)
  if (keyCount > 1 || distinct !== null) {
    const possible = keys.reduce((product, key) => product * Math.max(1, key.distinct), 1)
    // Values that meet by chance: so many of the possible combinations occur.
    const groups = distinct ?? possible * -Math.expm1(-rows / possible)
    return spread(Math.min(rows, Math.max(1, groups)), rows)
  }
  const key = keys[0]!
  const groups: Groups[] = []
  if (key.nullFraction > 0) groups.push({ groups: 1, size: Math.max(1, key.nullFraction * rows) })
  for (const frequency of key.commonFrequencies) groups.push({ groups: 1, size: Math.max(1, frequency * rows) })
  const listed = key.commonFrequencies.reduce((sum, frequency) => sum + frequency, 0)
  const left = Math.max(0, (1 - listed - key.nullFraction) * rows)
  const others = Math.max(0, key.distinct - key.commonFrequencies.length)
  if (left >= 1) groups.push(...spread(others === 0 ? 1 : Math.min(left, others), left))
  return groups
}

/** Groups of a mean size between two whole numbers are some of the lower and some of the upper. */
function spread(groups: number, rows: number): Groups[] {
  const lower = Math.max(1, Math.floor(rows / groups))
  const upper = rows - lower * groups
  return upper <= 0
    ? [{ groups: rows / lower, size: lower }]
    : [
        { groups: groups - upper, size: lower },
        { groups: upper, size: lower + 1 },
      ].filter((group) => group.groups > 0)
}

/** hash.h, hashpage.c: buckets for 75 % fill at 4-byte hash codes, added in quarters of a doubling. */
function hashPages({ rows, columns, distinct, fillFactor }: SizeInput): number {
  const perTuple = aligned(8 + 4) + linePointer
  const perBucket = Math.floor((page * ((fillFactor ?? 75) / 100)) / perTuple)
  const wanted = Math.max(2, rows / perBucket)
  const power = 2 ** Math.floor(Math.log2(wanted))
  const quarter = power < 1024 ? power : power / 4
  const buckets = wanted <= power ? power : power + Math.ceil((wanted - power) / quarter) * quarter
  // Rows of one value share a bucket, whatever its size: the rest of theirs overflows.
  const perPage = Math.floor((page - header - special) / perTuple)
  const frequencies = columns[0]?.commonFrequencies ?? []
  const overflow = frequencies.reduce((sum, share) => sum + Math.max(0, Math.floor((share * rows) / perPage)), 0)
  const groups = distinct ?? columns[0]?.distinct ?? rows
  const crowded = Math.max(0, (rows / Math.max(1, Math.min(groups, buckets)) - perPage) / perPage) * Math.min(groups, buckets)
  return buckets + Math.max(overflow, crowded) + 2
}

/** brin_page.h, brin_revmap.c: a summary tuple a range, and 1,360 references to a page of the range map. */
function brinPages({ heapPages, columns, pagesPerRange }: SizeInput): number {
  const ranges = Math.max(1, Math.ceil(heapPages / pagesPerRange))
  const tuple = aligned(aligned(5) + columns.reduce((sum, { width }) => sum + 2 * width, 0)) + linePointer
  return 1 + Math.ceil(ranges / 1360) + Math.max(1, Math.ceil((ranges * tuple) / (page - header - 8)))
}

/** Trigrams that texts of one language are made of. */
const typicalTrigrams = 8000

/** gindatapage.c, ginpostinglist.c: each element once; its row pointers, packed, beside it while they are few, else in a tree of pages. */
function ginPages({ rows, heapPages, columns, keyCount }: SizeInput): number {
  const perHeapPage = Math.max(1, rows / Math.max(1, heapPages))
  let pages = 1
  for (const column of columns.slice(0, keyCount)) {
    const present = rows * (1 - column.nullFraction)
    const elements = Math.max(1, column.elements ?? 1) * present
    const width = column.elements === null ? column.width : Math.max(1, column.width / Math.max(1, column.elements))
    const listed = column.elements === null ? [] : column.elementFrequencies.map((share) => share * rows)
    const left = Math.max(0, elements - listed.reduce((sum, count) => sum + count, 0))
    // Elements beyond the list are rarer than the rarest of it.
    const others =
      column.elements === null
        ? Math.min(left, Math.max(1, column.distinct))
        : listed.length === 0
          ? Math.min(left, typicalTrigrams)
          : left / Math.max(1, listed.at(-1)! / 2)
    const groups = [
      ...listed.map((size) => ({ groups: 1, size })),
      ...(others >= 1 ? [{ groups: others, size: left / others }] : []),
    ]
    let entries = 0
    for (const { groups: count, size } of groups) {
      // Neighbours in one heap page are a byte apart, others two or more.
      const apart = rows / Math.max(1, size) / perHeapPage
      const pointer = apart >= 1 ? (apart < 8 ? 2 : apart < 1024 ? 3 : 4) : 1 + apart
      const list = size * pointer
      const inline = list < 2000
      entries += count * (aligned(8 + width + 2 + (inline ? list : 0)) + linePointer)
      if (!inline) pages += count * (list <= page - 150 ? 1 : 1 + Math.ceil(list / (page * 0.75)))
    }
    pages += 1 + entries / (page * 0.7)
  }
  return pages
}

/** gist.h, spgist_private.h: a tuple a row in pages that splits leave partly filled, and a hundredth more above. */
function treePages({ rows, columns }: SizeInput, fill: number, extra: number): number {
  const tuple = tupleBytes(columns) + extra + linePointer
  const leaves = Math.max(1, (rows * tuple) / ((page - header - special) * fill * 0.72))
  return leaves * 1.02 + 1
}

/** Mean size of a tuple: over typical widths where they are known, as alignment makes small differences large. */
function tupleBytes(columns: readonly SizedColumn[]): number {
  const samples = Math.max(1, ...columns.map(({ widths }) => widths.length))
  let sum = 0
  for (let sample = 0; sample < samples; sample++) {
    let size = 0
    for (const [at, { width, widths, align, varying, nullFraction }] of columns.entries()) {
      // Another stride for each column, so that long values of one do not always meet long values of another.
      const own = widths.length === 0 ? width : widths[(sample * (2 * at + 1) + at * 7) % widths.length]!
      const aligning = varying && own <= 127 ? 1 : align
      size = Math.ceil(size / aligning) * aligning + own * (1 - nullFraction)
    }
    sum += aligned(8 + Math.round(size))
  }
  return sum / samples
}

/** Suffix truncation keeps the columns that tell two leaves apart, and a row pointer where none does (nbtutils.c). */
function pivotBytes(leaves: number, columns: readonly SizedColumn[], rows: number): number {
  let combinations = 1
  for (let kept = 1; kept <= columns.length; kept++) {
    combinations *= Math.max(1, columns[kept - 1]!.distinct)
    if (Math.min(combinations, rows) >= leaves * 4) return tupleBytes(columns.slice(0, kept))
  }
  return aligned(tupleBytes(columns) + 8)
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}
