/**
 * Takes off what terminals, tools and logs put around a plan: psql's frames and line-continuation marks, quotes around every line, log
 * prefixes. The number of lines stays the same, so that the place of a fault can still be named.
 */
export function unframe(text: string): string {
  let lines = text.split(/\r\n|\r|\n/)
  lines = lines.map((line) => line.replace(/^\S{3} +\d+ [\d:]+ \S+ [^:]*\[\d+\]: \[\d+-\d+\] ?/, "").replaceAll("#011", "\t"))
  lines = lines.map((line) => line.replace(/^\t+/, (tabs) => " ".repeat(8 * tabs.length)))
  lines = withoutBorders(lines)
  lines = withoutQuotes(lines)
  return withoutContinuations(lines).join("\n")
}

const bars = "|│║"
const ruler = /^[\s+\-─═━┼╪╫╬┌┐└┘├┤┬┴╔╗╚╝╠╣╦╩╟╢╤╧|│║╓╖╙╜╒╕╘╛╞╡╥╨]+$/

/** A line that only draws. */
export function isRuler(line: string): boolean {
  return ruler.test(line) && /[-─═━]{3}/.test(line)
}

function share(lines: readonly string[], test: (line: string) => boolean): number {
  const full = lines.filter((line) => line.trim() !== "")
  return full.length === 0 ? 0 : full.filter(test).length / full.length
}

function withoutBorders(lines: string[]): string[] {
  const starts = (line: string): boolean => bars.includes(line.trimStart()[0] ?? "x")
  const framed = share(lines, (line) => starts(line) || isRuler(line)) >= 0.5 && share(lines, starts) > 0.25
  return lines.map((line) => {
    if (isRuler(line)) return ""
    if (!framed || !starts(line)) return line
    const inner = line.trimStart().slice(1)
    const end = inner.trimEnd()
    return bars.includes(end.at(-1) ?? "x") ? end.slice(0, -1) : end
  })
}

/** pgAdmin and spreadsheets quote every line, and double the quotes inside. */
function withoutQuotes(lines: string[]): string[] {
  for (const quote of ["'", '"']) {
    const ends = (line: string): boolean => line.trimEnd().endsWith(quote)
    const both = (line: string): boolean => ends(line) && line.trimStart().startsWith(quote) && line.trim().length > 1
    if (share(lines, both) >= 0.8) {
      return lines.map((line) =>
        both(line)
          ? line
              .trim()
              .slice(1, -1)
              .replaceAll(quote + quote, quote)
          : line,
      )
    }
    if (quote === '"' && share(lines, (line) => /[\])a-z0-9]"\s*$/i.test(line)) >= 0.8) {
      return lines.map((line) => (line.split('"').length % 2 === 0 ? line.trimEnd().replace(/"$/, "") : line))
    }
  }
  return lines
}

/** psql marks a line that goes on with + or ↵ at its end. */
function withoutContinuations(lines: string[]): string[] {
  // By hand: a pattern for blanks before the end would try every blank of a line of blanks.
  const marked = (line: string): boolean => /[+↵]/.test(line.trimEnd().at(-1) ?? "")
  if (share(lines, marked) < 0.5) return lines
  return lines.map((line) => (marked(line) ? line.trimEnd().slice(0, -1).trimEnd() : line))
}
