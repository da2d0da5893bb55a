import { createHash, randomBytes } from "node:crypto"
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"

const digestBytes = 32

/** Where initialised data directories are kept: the platform's folder for caches, in `selecto-pg`. */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const base =
    process.platform === "win32"
      ? (environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"))
      : process.platform === "darwin"
        ? join(homedir(), "Library", "Caches")
        : environment.XDG_CACHE_HOME || join(homedir(), ".cache")
  return join(base, "selecto-pg")
}

/**
 * The compressed tar of an empty, initialised data directory; null where there is none or it is damaged (then it is removed). It was made
 * before any catalog was copied, so it holds nothing of any database.
 */
export async function readDataDirectory(folder: string, version: string): Promise<Uint8Array | null> {
  const path = fileOf(folder, version)
  try {
    const content = await readFile(path)
    const tar = content.subarray(digestBytes)
    if (tar.length > 0 && createHash("sha256").update(tar).digest().equals(content.subarray(0, digestBytes))) return tar
    await rm(path, { force: true })
  } catch {
    // Missing or unreadable: a new one is made.
  }
  return null
}

/** Keeps a tar for the next start. Written beside and renamed, so that two processes at once are safe; false where the folder cannot be written. */
export async function writeDataDirectory(folder: string, version: string, tar: Uint8Array): Promise<boolean> {
  const path = fileOf(folder, version)
  const part = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(part, Buffer.concat([createHash("sha256").update(tar).digest(), tar]), { mode: 0o600 })
    await rename(part, path)
    return true
  } catch {
    await rm(part, { force: true }).catch(() => {})
    return false
  }
}

/** Throws the kept directory away. */
export async function removeDataDirectory(folder: string, version: string): Promise<void> {
  await rm(fileOf(folder, version), { force: true }).catch(() => {})
}

function fileOf(folder: string, version: string): string {
  return join(folder, `shadow-pglite-${version}.tar.gz`)
}
