/**
 * The pages of an empty btree of a given height. The planner reads the height from the meta page and charges each descent for
 * it; the only other thing it ever reads are the outermost tuples, of which an empty leaf has none.
 * Layout: PostgreSQL's src/include/storage/bufpage.h and src/include/access/nbtree.h.
 */

const pageBytes = 8192
const headerBytes = 24
const specialBytes = 16
const magic = 0x053162
const version = 4
const flags = { leaf: 1, root: 2, meta: 8 }

/** Meta page, one page for each inner level with a single downlink, and an empty leaf. `height` 0 is a lone empty leaf as root. */
export function btreeFile(height: number, allEqualImage: boolean): Uint8Array {
  const file = new Uint8Array(pageBytes * (height + 2))
  const page = (block: number): DataView => new DataView(file.buffer, block * pageBytes, pageBytes)
  // The root is the last block, the leaf block 1.
  const root = height + 1
  const meta = page(0)
  initialise(meta, 0, flags.meta)
  meta.setUint16(12, headerBytes + 48, true)
  meta.setUint32(headerBytes, magic, true)
  meta.setUint32(headerBytes + 4, version, true)
  meta.setUint32(headerBytes + 8, root, true)
  meta.setUint32(headerBytes + 12, height, true)
  meta.setUint32(headerBytes + 16, root, true)
  meta.setUint32(headerBytes + 20, height, true)
  meta.setFloat64(headerBytes + 32, -1, true)
  meta.setUint8(headerBytes + 40, allEqualImage ? 1 : 0)
  for (let level = 0; level <= height; level++) {
    const view = page(level + 1)
    initialise(view, level, (level === 0 ? flags.leaf : 0) | (level === height ? flags.root : 0))
    if (level > 0) downlink(view, level)
  }
  for (let block = 0; block <= root; block++) page(block).setUint16(8, checksum(page(block), block), true)
  return file
}

function initialise(view: DataView, level: number, flag: number): void {
  view.setUint16(12, headerBytes, true)
  view.setUint16(14, pageBytes - specialBytes, true)
  view.setUint16(16, pageBytes - specialBytes, true)
  view.setUint16(18, pageBytes | 4, true)
  view.setUint32(pageBytes - specialBytes + 8, level, true)
  view.setUint16(pageBytes - specialBytes + 12, flag, true)
}

/** A minus-infinity pivot tuple without attributes that points to block `child`. */
function downlink(view: DataView, child: number): void {
  const tuple = pageBytes - specialBytes - 8
  view.setUint16(12, headerBytes + 4, true)
  view.setUint16(14, tuple, true)
  // Line pointer: offset, LP_NORMAL, length.
  view.setUint32(headerBytes, tuple | (1 << 15) | (8 << 17), true)
  view.setUint16(tuple, child >>> 16, true)
  view.setUint16(tuple + 2, child & 0xffff, true)
  // INDEX_ALT_TID_MASK, and zero key attributes in the offset's place.
  view.setUint16(tuple + 4, 0, true)
  view.setUint16(tuple + 6, 8 | 0x2000, true)
}

const lanes = 32
const prime = 16777619
const bases = [
  0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c, 0xf8d4474f, 0xe39eb970,
  0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb, 0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de,
  0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4, 0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be,
  0xf2ca9fd3, 0x959bd756,
]

/** The page checksum: FNV-1a over 32 interleaved lanes, folded, mixed with the block number (PostgreSQL's checksum_impl.h). */
function checksum(view: DataView, block: number): number {
  const sums = Uint32Array.from(bases)
  const mix = (lane: number, value: number): void => {
    const mixed = (sums[lane]! ^ value) >>> 0
    sums[lane] = (Math.imul(mixed, prime) ^ (mixed >>> 17)) >>> 0
  }
  for (let row = 0; row < pageBytes / (4 * lanes); row++) {
    for (let lane = 0; lane < lanes; lane++) {
      const at = (row * lanes + lane) * 4
      // The checksum's own two bytes count as zero.
      mix(lane, at === 8 ? view.getUint32(at, true) & 0xffff0000 : view.getUint32(at, true))
    }
  }
  for (let round = 0; round < 2; round++) for (let lane = 0; lane < lanes; lane++) mix(lane, 0)
  const folded = sums.reduce((sum, value) => (sum ^ value) >>> 0, 0)
  return (((folded ^ block) >>> 0) % 65535) + 1
}
