/** Elements of a one-dimensional PostgreSQL array literal, as text; null for NULL. */
export function elementsOf(text: string): (string | null)[] {
  const elements: (string | null)[] = []
  const pattern = /(?:"((?:[^"\\]|\\.)*)"|([^,{}]+))(?=[,}])/gs
  for (const match of text.slice(1).matchAll(pattern)) {
    if (match[1] !== undefined) elements.push(match[1].replace(/\\(.)/gs, "$1"))
    else elements.push(match[2]?.toUpperCase() === "NULL" ? null : (match[2] ?? ""))
  }
  return elements
}

/** The array literal of elements; every one is quoted. */
export function arrayTextOf(elements: readonly (string | null)[]): string {
  return `{${elements.map((element) => (element === null ? "NULL" : `"${element.replace(/[\\"]/g, "\\$&")}"`)).join(",")}}`
}
