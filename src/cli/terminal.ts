import pc from "picocolors"

/** Where a command writes. Results go to `out`; progress and remarks to `note`, so that a pipe gets results only. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly note: (text: string) => void
  /** A line that the next one replaces, on a terminal; nothing elsewhere. */
  readonly progress: (text: string | null) => void
  readonly width: number
  readonly color: boolean
}

/** The process's own streams. Colour and moving lines only on a terminal; NO_COLOR is honoured. */
export function processTerminal(): Terminal {
  const interactive = process.stderr.isTTY === true
  let shown = false
  const clear = (): void => {
    if (shown) process.stderr.write("\r\x1b[2K")
    shown = false
  }
  return {
    out: (text) => {
      clear()
      process.stdout.write(`${text}\n`)
    },
    note: (text) => {
      clear()
      process.stderr.write(`${text}\n`)
    },
    progress: (text) => {
      clear()
      if (!interactive || text === null) return
      process.stderr.write(pc.dim(text.slice(0, (process.stderr.columns ?? 80) - 1)))
      shown = true
    },
    width: Math.max(40, Math.min(process.stdout.columns ?? 80, 160)),
    color: pc.isColorSupported && process.stdout.isTTY === true,
  }
}

/** Rows as a table that fits the terminal: numbers to the right, long cells cut. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], width: number): string {
  const columns = header.map((_, index) => Math.max(...[header, ...rows].map((row) => [...(row[index] ?? "")].length)))
  const spare = width - (columns.length - 1) * 2
  while (columns.reduce((sum, one) => sum + one, 0) > spare && Math.max(...columns) > 8)
    columns[columns.indexOf(Math.max(...columns))]!--
  const numeric = header.map(
    (_, index) => rows.length > 0 && rows.every((row) => /^[-+]?[\d.,]*\s?(ms|s|x|%|kB|MB|GB|B)?$/.test(row[index] ?? "")),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => {
        const size = columns[index]!
        const text = [...cell].length > size ? `${[...cell].slice(0, size - 1).join("")}…` : cell
        return numeric[index] ? text.padStart(size) : text.padEnd(size)
      })
      .join("  ")
      .trimEnd()
  return [line(header), columns.map((size) => "─".repeat(size)).join("  "), ...rows.map(line)].join("\n")
}

/** Milliseconds for people. */
export function formatMs(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms >= 100) return `${Math.round(ms)} ms`
  return `${ms.toFixed(ms >= 10 ? 1 : 2)} ms`
}

/** Bytes for people, by PostgreSQL's units. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"]
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value.toFixed(value >= 10 || unit === 0 ? 0 : 1)} ${units[unit]}`
}

export function indent(text: string): string {
  return text.replace(/^/gm, "  ")
}

/** Breaks long lines at spaces. */
export function wrap(text: string, width: number): string {
  const lines: string[] = []
  for (const line of text.split("\n")) {
    let current = ""
    for (const word of line.split(" ")) {
      if (current !== "" && current.length + 1 + word.length > width) {
        lines.push(current)
        current = word
      } else current = current === "" ? word : `${current} ${word}`
    }
    lines.push(current)
  }
  return lines.join("\n")
}
