import { createHash } from "node:crypto"
import { SelectoError } from "../errors.ts"

/** Refuses names that a row object or PostgreSQL could not hold. */
export function checkName(name: string): void {
  if (name === "" || name === "__proto__" || name.includes("\0"))
    throw new SelectoError("E_INVALID_NAME", `${JSON.stringify(name)} cannot name a column of the result.`, { path: name })
}

/** The name as PostgreSQL will keep it: over 63 bytes it would be cut, so the end is replaced by a hash that keeps names apart. */
export function columnAlias(name: string): string {
  // No character takes more than three bytes a UTF-16 unit.
  if (name.length <= 21) return name
  if (name.length <= 63 && Buffer.byteLength(name) <= 63) return name
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8)
  let head = [...name].slice(0, 54)
  while (Buffer.byteLength(head.join("")) > 54) head = head.slice(0, -1)
  return `${head.join("")}_${hash}`
}
