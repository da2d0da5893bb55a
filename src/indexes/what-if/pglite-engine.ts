import type { PGlite } from "@electric-sql/pglite"
import { type Engine, type FileSize, segmentBytes } from "./engine.ts"

/** The part of Emscripten's in-memory file system that is used: a node's length counts apart from its bytes. */
interface MemoryFiles {
  lookupPath(path: string): { node: { usedBytes: number; contents: Uint8Array } }
  writeFile(path: string, content: Uint8Array): void
  unlink(path: string): void
  analyzePath(path: string): { exists: boolean }
}

/** WAL written between two checkpoints: in one process nobody else makes them, and the log lies in memory. */
const walBytes = 16 * 1024 ** 2

/** The engine over a PGlite whose data directory is in memory. */
export function pgliteEngine(pglite: PGlite, extensions: ReadonlySet<string>): Engine {
  const files = (pglite.Module as unknown as { FS: MemoryFiles }).FS
  const root = "/pglite/data/"
  const segments = new Map<string, number>()
  let statements = 0
  let sent = 0

  const run = async (text: string): Promise<Record<string, string | null>[]> => {
    const results = await pglite.exec(text, { rowMode: "array", parsers: asText })
    sent += text.length
    if (++statements % 50 === 0 || sent > 100_000) await checkpointWhenDue()
    const last = results.at(-1)
    if (last === undefined) return []
    return (last.rows as unknown as (string | null)[][]).map((row) =>
      Object.fromEntries(last.fields.map((field, at) => [field.name, row[at] ?? null])),
    )
  }

  let checkpointAt = 0
  async function checkpointWhenDue(): Promise<void> {
    sent = 0
    const [result] = await pglite.exec("select (pg_current_wal_lsn() - '0/0')::float8 as bytes")
    const bytes = Number(result?.rows[0]?.bytes)
    if (checkpointAt === 0) checkpointAt = bytes
    if (bytes - checkpointAt < walBytes) return
    checkpointAt = bytes
    await pglite.exec("checkpoint")
  }

  function setSize({ path, bytes }: FileSize): void {
    const file = root + path
    const needed = Math.floor(bytes / segmentBytes)
    const had = segments.get(path) ?? 0
    files.lookupPath(file).node.usedBytes = needed > 0 ? segmentBytes : bytes
    for (let segment = 1; segment <= needed; segment++) {
      if (segment > had) files.writeFile(`${file}.${segment}`, new Uint8Array())
      files.lookupPath(`${file}.${segment}`).node.usedBytes = segment < needed ? segmentBytes : bytes % segmentBytes
    }
    for (let segment = needed + 1; segment <= had; segment++) files.unlink(`${file}.${segment}`)
    if (needed > 0) segments.set(path, needed)
    else segments.delete(path)
  }

  return {
    execute: async (text) => {
      await run(text)
    },
    rows: run,
    setSizes: async (sizes) => {
      for (const size of sizes) setSize(size)
    },
    writeFiles: async (contents) => {
      for (const { path, content } of contents) files.writeFile(root + path, content)
    },
    extensions,
    close: () => pglite.close(),
  }
}

/** Our own queries cast to text; EXPLAIN's json (pg_type 114) is the only type that would be converted. */
const asText = { 114: (value: string): string => value }
