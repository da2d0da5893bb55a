import type { OutputColumn, Request } from "../execution/request.ts"

/** Tells values apart as the driver would bind them: 1 is not "1", and a moment is not its text. */
export function valuesKey(values: readonly unknown[]): string {
  let key = ""
  for (const value of values) key += `${valueKey(value)},`
  return key
}

function valueKey(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value)
    case "number":
      // -0 is sent as another text than 0.
      return Object.is(value, -0) ? "-0" : String(value)
    case "bigint":
      return `${value}n`
    case "object":
      if (value === null) return "null"
      if (value instanceof Date) return `d${value.getTime()}`
      if (value instanceof Uint8Array)
        return `b${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}`
      if (Array.isArray(value)) return `[${valuesKey(value)}]`
      return `j${JSON.stringify(value)}`
    default:
      return String(value)
  }
}

const outputs = new WeakMap<readonly OutputColumn[], string>()

/** How rows are made of what the server sends: the same text with other declared types has other rows. */
export function outputKey({ output, origin }: Request): string {
  if (output === null) return origin.kind
  let key = outputs.get(output)
  if (key === undefined) {
    key = JSON.stringify(output.map(({ name, type, present }) => [name, type, present]))
    outputs.set(output, key)
  }
  return key
}

/** What is set for the statement alone. */
export function settingsKey({ settings }: Request): string {
  let key = ""
  for (const name in settings) key += `${name}=${settings[name]};`
  return key
}
