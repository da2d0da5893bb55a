import { SelectoError } from "../errors.ts"

/** Reads an array literal such as {1,NULL,"a b",{2}}, nested as deep as it is; items of boxes are parted by semicolons. */
export function arrayDecoder(element: (text: string) => unknown, delimiter: "," | ";" = ","): (text: string) => unknown {
  return (text) => {
    // Bounds such as [0:2]={1,2,3} come before the braces.
    let at = text.startsWith("[") ? text.indexOf("=") + 1 : 0
    const level = (): unknown[] => {
      const items: unknown[] = []
      at++
      while (text[at] !== "}") {
        if (text[at] === delimiter) at++
        if (text[at] === "{") items.push(level())
        else items.push(item())
        if (at >= text.length) throw new SelectoError("E_DECODE", "An array value ended before its closing brace.")
      }
      at++
      return items
    }
    const item = (): unknown => {
      if (text[at] !== '"') {
        const start = at
        while (at < text.length && text[at] !== delimiter && text[at] !== "}") at++
        const bare = text.slice(start, at)
        return bare.toUpperCase() === "NULL" ? null : element(bare)
      }
      let value = ""
      for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === "\\") at++
        value += text[at]
      }
      at++
      return element(value)
    }
    return level()
  }
}
