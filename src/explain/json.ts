import { limits, notAPlan, tooLarge } from "./document.ts"

/** Query identifiers need all 64 bits; a double has 53. */
const bigIdentifier = /("Query Identifier"\s*:\s*)(-?\d{15,})/g

/** The value of JSON text, with 64-bit identifiers kept as text. Throws E_PLAN_SYNTAX with the place of the fault. */
export function valueOfJson(text: string, start = 0, end: number = text.length): unknown {
  try {
    const json = text.slice(start, end)
    return JSON.parse(json.includes('"Query Identifier"') ? json.replace(bigIdentifier, '$1"$2"') : json)
  } catch {
    const place = faultOf(text, start, end)
    const early = text.slice(place, end).trim() === ""
    throw notAPlan(`This is not complete JSON: ${early ? "it ends too early" : "something unexpected stands here"}`, text, place)
  }
}

const piece =
  /\s*(?:([{[])|([}\]])|([,:])|("(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null))/y

/** Offset of the first piece that cannot stand where it does: the engine's own messages say it in some versions only. */
function faultOf(text: string, start: number, end: number): number {
  const open: string[] = []
  let wants: "value" | "key" | "colon" | "next" = "value"
  let first = false
  piece.lastIndex = start
  for (;;) {
    const at = piece.lastIndex
    const match = at < end ? piece.exec(text) : null
    const place = at + (/^\s*/.exec(text.slice(at, at + 1000))?.[0].length ?? 0)
    if (match === null || piece.lastIndex > end) return Math.min(place, end)
    const [, opening, closing, mark, value] = match
    const inside = open.at(-1)
    if (opening !== undefined && wants === "value") {
      open.push(opening)
      wants = opening === "{" ? "key" : "value"
      first = true
      continue
    }
    const closes = closing !== undefined && inside === (closing === "}" ? "{" : "[") && (wants === "next" || first)
    if (closes) {
      open.pop()
      wants = "next"
    } else if (mark === ":" && wants === "colon") wants = "value"
    else if (mark === "," && wants === "next" && inside !== undefined) wants = inside === "{" ? "key" : "value"
    else if (value !== undefined && wants === "value") wants = "next"
    else if (value?.startsWith('"') && wants === "key") wants = "colon"
    else return place
    first = false
  }
}

/** Where JSON that begins at `start` ends, exclusive; the text's length where it never does. Throws E_PLAN_TOO_LARGE. */
export function endOfJson(text: string, start: number): number {
  // Nearly always it is all there is.
  const last = text.trimEnd()
  if (start === text.length - text.trimStart().length && last.at(-1) === (text[start] === "{" ? "}" : "]")) return last.length
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      for (at++; at < text.length && text.charCodeAt(at) !== 34; at++) if (text.charCodeAt(at) === 92) at++
    } else if (code === 123 || code === 91) {
      // Two brackets a level, and some around it.
      if (++depth > 3 * limits.depth) throw tooLarge(`The plan is nested more than ${limits.depth} levels deep.`)
    } else if ((code === 125 || code === 93) && --depth === 0) return at + 1
  }
  return text.length
}
