/** What a character begins. */
const space = 0
const word = 1
const digit = 2
const other = 3
const kinds = new Uint8Array(128).fill(other)
for (const code of [9, 10, 11, 12, 13, 32]) kinds[code] = space
for (let code = 48; code < 58; code++) kinds[code] = digit
for (let code = 65; code < 91; code++) kinds[code] = word
for (let code = 97; code < 123; code++) kinds[code] = word
kinds[95] = word
/** What goes on with a word, in lower case; 0 for what ends it. */
const parts = new Uint8Array(128)
for (let code = 0; code < 128; code++)
  if (kinds[code] === word || kinds[code] === digit || code === 36) parts[code] = code >= 65 && code < 91 ? code + 32 : code

/** Longer texts are told apart by their beginning. */
const longest = 16_384
const quote = 39
const dollar = 36
const slash = 47
const star = 42
const dash = 45
const value = 0x101
const gap = 0x102

/**
 * A number for a statement's text that is the same whatever its constants, white space, comments and the case of its words: a guess
 * at its identity in one pass and without memory, for texts seen for the first time. Texts of one key have one fingerprint; the
 * reverse need not hold. 53 bits.
 */
export function shapeKey(text: string): number {
  const end = Math.min(text.length, longest)
  let a = 0x811c9dc5
  let b = 0x2545f491
  let inList = false
  let listItems = 0
  let lastWordWasIn = false
  let at = 0
  while (at < end) {
    const code = text.charCodeAt(at)
    const kind = code < 128 ? kinds[code]! : word
    if (kind === space) {
      at++
      continue
    }
    let token = code
    if (kind === word) {
      const start = at
      // Only a list of plain values may be of any length.
      inList = false
      const quoted = text.charCodeAt(at + 1) === quote
      if (quoted && (code === 69 || code === 101)) {
        // E'…' knows backslashes.
        at = afterString(text, at + 2, end, true)
        token = value
      } else if (quoted && (code === 66 || code === 98 || code === 88 || code === 120 || code === 78 || code === 110)) {
        at = afterString(text, at + 2, end, false)
        token = value + code
      } else {
        a = Math.imul(a ^ gap, 0x01000193)
        b = Math.imul(b ^ gap, 0x5bd1e995)
        for (; at < end; at++) {
          const letter = text.charCodeAt(at)
          const part = letter < 128 ? parts[letter]! : letter
          if (part === 0) break
          a = Math.imul(a ^ part, 0x01000193)
          b = Math.imul(b ^ part, 0x5bd1e995)
          b ^= b >>> 15
        }
        lastWordWasIn = at - start === 2 && (code === 73 || code === 105) && (text.charCodeAt(start + 1) | 32) === 110
        continue
      }
    } else if (kind === digit) {
      at = afterNumber(text, at, end)
      token = value
    } else if (code === quote) {
      at = afterString(text, at + 1, end, false)
      token = value
    } else if (code === dollar) {
      const next = text.charCodeAt(at + 1)
      if (next >= 48 && next < 58) {
        at = afterNumber(text, at + 1, end)
        token = value + 1
      } else {
        at = afterDollarQuote(text, at, end)
        token = value
      }
    } else if (code === dash && text.charCodeAt(at + 1) === dash) {
      at = text.indexOf("\n", at)
      if (at === -1) break
      continue
    } else if (code === slash && text.charCodeAt(at + 1) === star) {
      at = afterComment(text, at + 2, end)
      continue
    } else if (code === 34) {
      const close = text.indexOf('"', at + 1)
      const stop = close === -1 ? end : close + 1
      for (; at < stop; at++) {
        const letter = text.charCodeAt(at)
        a = Math.imul(a ^ letter, 0x01000193)
        b = Math.imul(b ^ letter, 0x5bd1e995)
        b ^= b >>> 15
      }
      lastWordWasIn = false
      continue
    } else {
      at++
      if (code === 40) {
        inList = lastWordWasIn
        listItems = 0
      } else if (code === 41) inList = false
      else if (code === 44 && inList) continue
    }
    lastWordWasIn = false
    // IN ($1, $2, $3) is IN ($1), whatever its length.
    if (inList && token >= value && listItems++ > 0) continue
    a = Math.imul(a ^ token, 0x01000193)
    b = Math.imul(b ^ token, 0x5bd1e995)
    b ^= b >>> 15
  }
  a ^= a >>> 16
  return (a >>> 0) * 0x200000 + ((b >>> 0) & 0x1fffff)
}

function afterNumber(text: string, from: number, end: number): number {
  let at = from
  for (; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code < 128 && (kinds[code] === digit || kinds[code] === word)) continue
    if (code === 46) continue
    const before = text.charCodeAt(at - 1) | 32
    if ((code === 43 || code === dash) && before === 101 && at > from) continue
    break
  }
  return at
}

function afterString(text: string, from: number, end: number, escapes: boolean): number {
  let at = from
  for (;;) {
    const close = text.indexOf("'", at)
    if (close === -1) return end
    if (escapes) {
      let slashes = 0
      for (let back = close - 1; back >= from && text.charCodeAt(back) === 92; back--) slashes++
      if (slashes % 2 === 1) {
        at = close + 1
        continue
      }
    }
    if (text.charCodeAt(close + 1) !== quote) return close + 1
    at = close + 2
  }
}

function afterDollarQuote(text: string, from: number, end: number): number {
  const second = text.indexOf("$", from + 1)
  if (second === -1) return from + 1
  for (let at = from + 1; at < second; at++) {
    const code = text.charCodeAt(at)
    if (code < 128 && kinds[code] !== word && kinds[code] !== digit) return from + 1
  }
  const tag = text.slice(from, second + 1)
  const close = text.indexOf(tag, second + 1)
  return close === -1 ? end : close + tag.length
}

/** Block comments nest in PostgreSQL. */
function afterComment(text: string, from: number, end: number): number {
  let depth = 1
  let at = from
  while (at < end && depth > 0) {
    const code = text.charCodeAt(at)
    const next = text.charCodeAt(at + 1)
    if (code === star && next === slash) {
      depth--
      at += 2
    } else if (code === slash && next === star) {
      depth++
      at += 2
    } else at++
  }
  return at
}
