import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { openDatabase } from "../../src/database/open.ts"
import { unprivileged } from "../support/account.ts"
import { prepare } from "../support/run-sql.ts"
import { type RunningServer, startServer, urlOf } from "../support/server.ts"
import { serverMissing, skips } from "../support/servers.ts"

const openssl = spawnSync("openssl", ["version"]).status === 0 ? null : "openssl is not installed"

describe.skipIf(serverMissing(18) || skips(openssl))("TLS and passwords", () => {
  let folder: string
  let server: RunningServer
  let ca: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "selecto-tls-"))
    chmodSync(folder, 0o755)
    const file = (name: string): string => join(folder, name)
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    execFileSync(
      "openssl",
      [
        "req",
        "-new",
        "-x509",
        "-days",
        "2",
        "-nodes",
        "-newkey",
        "rsa:2048",
        "-keyout",
        file("key"),
        "-out",
        file("cert"),
        ...subject,
      ],
      {
        stdio: "ignore",
      },
    )
    writeFileSync(
      file("hba"),
      "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhostssl all guarded 127.0.0.1/32 scram-sha-256\n",
    )
    chmodSync(file("key"), 0o600)
    if (process.getuid?.() === 0) {
      const { uid, gid } = unprivileged()
      for (const name of ["key", "cert", "hba"]) chownSync(file(name), uid, gid)
    }
    ca = readFileSync(file("cert"), "utf8")
    server = await startServer(18, { ssl: "on", ssl_cert_file: file("cert"), ssl_key_file: file("key"), hba_file: file("hba") })
    await prepare(urlOf(server, "postgres"), "create role guarded login password 'first'")
  })
  afterAll(async () => {
    await server?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })
  const encrypted = { text: "select ssl from pg_stat_ssl where pid = pg_backend_pid()", values: [] }
  const url = (): string => `postgresql://guarded@127.0.0.1:${server.port}/postgres`

  test("a CA file and a password function pass through; the function is asked for every connection", async () => {
    const passwords = ["first", "second"]
    let asked = 0
    const pool = { max: 1, ssl: { ca }, password: async () => passwords[asked++ === 0 ? 0 : 1] }
    const database = openDatabase(url(), { pool })
    expect((await database.queryText(encrypted)).rows).toEqual([["t"]])
    // A rotated token: the next connection has the new one.
    await prepare(urlOf(server, "postgres"), "alter role guarded password 'second'")
    const session = await database.acquire()
    session.release(true)
    expect((await database.queryText(encrypted)).rows).toEqual([["t"]])
    // The control connection that cancels logs in the same way.
    await expect(database.queryText({ text: "select pg_sleep(60)", values: [] }, { timeoutMs: 50 })).rejects.toMatchObject({
      code: "E_TIMEOUT",
    })
    expect(asked).toBeGreaterThanOrEqual(3)
    await database.close()
  })

  test("a certificate that is not trusted, a wrong password, and no TLS where it is demanded: E_CONNECTION", async () => {
    const right = openDatabase(url(), { pool: { ssl: { ca }, password: "second" } })
    expect((await right.queryText(encrypted)).rows).toEqual([["t"]])
    await right.close()
    for (const pool of [
      { ssl: true, password: "second" },
      { ssl: { ca }, password: "wrong" },
      { ssl: false, password: "second" },
    ]) {
      const database = openDatabase(url(), { pool })
      const error = await database.queryText(encrypted).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: "E_CONNECTION" })
      expect(error.message).not.toContain("second")
      await database.close()
    }
  })

  test("sslmode in the URL", async () => {
    const database = openDatabase(`${urlOf(server, "postgres")}?sslmode=no-verify`)
    expect((await database.queryText(encrypted)).rows).toEqual([["t"]])
    await database.close()
    const strict = openDatabase(`${urlOf(server, "postgres")}?sslmode=verify-full`)
    await expect(strict.queryText(encrypted)).rejects.toMatchObject({ code: "E_CONNECTION" })
    await strict.close()
  })
})
