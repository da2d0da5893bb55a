/** The elements of a one-dimensional array in PostgreSQL's text form; NULL is null. */
export function parseArray(text: string): (string | null)[] {
  const elements: (string | null)[] = []
  let at = 1
  while (at < text.length - 1) {
    if (text[at] === '"') {
      let value = ""
      for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === "\\") at++
        value += text[at]
      }
      elements.push(value)
      at += 2
    } else {
      const comma = text.indexOf(",", at)
      const end = comma < 0 ? text.length - 1 : comma
      const raw = text.slice(at, end)
      elements.push(raw === "NULL" ? null : raw)
      at = end + 1
    }
  }
  return elements
}
