import { readFileSync } from "node:fs"
import type { Account } from "./binaries.ts"

/** The account that servers run as when we are root. */
export function unprivileged(): Account {
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"))
  const found = accounts.find(([name]) => name === "postgres") ?? accounts.find(([name]) => name === "nobody")
  if (found === undefined) throw new Error("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody.")
  return { uid: Number(found[2]), gid: Number(found[3]) }
}
