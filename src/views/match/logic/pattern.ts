/** LIKE patterns: whether a text matches one, and whether everything that one matches another matches too. */

/** The pattern as pieces of fixed text between `%`, or null where it holds `_` or an escape at its end. */
function piecesOf(pattern: string): readonly string[] | null {
  const pieces = [""]
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!
    if (character === "_") return null
    if (character === "%") pieces.push("")
    else if (character === "\\") {
      at++
      if (at === pattern.length) return null
      pieces[pieces.length - 1] += pattern[at]!
    } else pieces[pieces.length - 1] += character
  }
  return pieces
}

/** True or false as `text LIKE pattern` is; null where that is not worked out here. */
export function matchesPattern(text: string, pattern: string): boolean | null {
  const pieces = piecesOf(pattern)
  if (pieces === null) return null
  if (pieces.length === 1) return text === pieces[0]
  const first = pieces[0]!
  const last = pieces.at(-1)!
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at)
    if (found < 0 || found + piece.length > text.length - last.length) return false
    at = found + piece.length
  }
  return true
}

/** True when every text that matches `inner` matches `outer` for certain. */
export function patternWithin(inner: string, outer: string): boolean {
  const within = piecesOf(inner)
  const around = piecesOf(outer)
  if (within === null || around === null) return inner === outer
  if (within.length === 1) return matchesPattern(within[0]!, outer) === true
  if (around.length === 1) return false
  const first = around[0]!
  const last = around.at(-1)!
  if (!within[0]!.startsWith(first) || !within.at(-1)!.endsWith(last)) return false
  // The middle pieces must be found in order in what is fixed; the ends give away what first and last already use.
  const fixed = [
    within[0]!.slice(first.length),
    ...within.slice(1, -1),
    within.at(-1)!.slice(0, within.at(-1)!.length - last.length),
  ]
  let piece = 0
  let at = 0
  for (const wanted of around.slice(1, -1)) {
    let found = fixed[piece]?.indexOf(wanted, at) ?? -1
    while (found < 0 && piece < fixed.length) {
      piece++
      at = 0
      found = fixed[piece]?.indexOf(wanted) ?? -1
    }
    if (found < 0) return false
    at = found + wanted.length
  }
  return true
}
