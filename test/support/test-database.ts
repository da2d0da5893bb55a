import { randomBytes } from "node:crypto"
import pg from "pg"
import { afterAll, beforeAll } from "vitest"
import { type ServerAddress, urlOf } from "./server.ts"
import { serverOf } from "./servers.ts"

/** What a template is filled through: a server's connection or a PGlite, told apart by nobody. */
export interface Filler {
  /** One statement with bound values. */
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  /** Any number of statements, none of them with values. */
  exec(text: string): Promise<unknown>
}

/** A named state of a database: made once a run on each server, then cloned. */
export interface Template {
  readonly name: string
  build(filler: Filler): Promise<void>
}

/** A database of one test file's own. Its properties are known once beforeAll has run. */
export interface TestDatabase {
  readonly version: number
  readonly name: string
  readonly url: string
  readonly server: ServerAddress
  /** A connection for the test's own use, closed at the end of the file. */
  client(): Promise<pg.Client>
}

export interface TestDatabaseOptions {
  readonly version: number
  readonly template?: Template | undefined
}

/**
 * Registers a fresh database for the tests of this file or describe block: made before them (cloned from the template), dropped
 * after them. Fails when a connection to it is still open at the end.
 */
export function testDatabase(options: TestDatabaseOptions): TestDatabase {
  const name = `test_${randomBytes(6).toString("hex")}`
  const clients: pg.Client[] = []
  let server: ServerAddress | undefined
  const known = (): ServerAddress => {
    if (server === undefined) throw new Error("The test database is made in beforeAll: use it in tests and hooks only.")
    return server
  }

  beforeAll(async () => {
    server = await serverOf(options.version)
    await asAdmin(server, async (admin) => {
      const template = options.template === undefined ? null : await templateOf(server!, admin, options.template)
      await createDatabase(admin, name, template)
    })
  })

  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end().catch(() => {})))
    if (server === undefined) return
    const leaked = await asAdmin(server, async (admin) => {
      const open = await settledConnections(admin, name)
      await admin.query(`drop database if exists ${name} with (force)`)
      return open
    })
    if (leaked.length > 0) throw new Error(`Connections left open on the test database:\n${leaked.join("\n")}`)
  })

  return {
    version: options.version,
    name,
    get server() {
      return known()
    },
    get url() {
      return urlOf(known(), name)
    },
    async client() {
      const client = new pg.Client({ connectionString: urlOf(known(), name) })
      client.on("error", () => {})
      await client.connect()
      clients.push(client)
      return client
    },
  }
}

/** Runs a function with a superuser's connection to the maintenance database of a server. */
export async function asAdmin<T>(server: ServerAddress, run: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: urlOf(server, "postgres") })
  await admin.connect()
  try {
    return await run(admin)
  } finally {
    await admin.end()
  }
}

/** The connections still open on a database; a connection that is just closing gets two seconds to go. */
async function settledConnections(admin: pg.Client, database: string): Promise<string[]> {
  for (let attempt = 0; ; attempt++) {
    const { rows } = await admin.query<{ line: string }>(
      `select format('pid %s, %s, %s: %s', pid, application_name, state, left(query, 200)) as line
       from pg_stat_activity where datname = $1 and backend_type = 'client backend'`,
      [database],
    )
    if (rows.length === 0 || attempt === 40) return rows.map(({ line }) => line)
    await admin.query("select pg_sleep(0.05)")
  }
}

/** Builds the template database unless this run has it; test processes wait for each other on an advisory lock. */
async function templateOf(server: ServerAddress, admin: pg.Client, template: Template): Promise<string> {
  const name = `template_${template.name.replace(/\W/g, "_").toLowerCase()}`
  await admin.query("select pg_advisory_lock(hashtext($1))", [name])
  try {
    const { rows } = await admin.query("select from pg_database where datname = $1 and datistemplate", [name])
    if (rows.length === 0) {
      await admin.query(`drop database if exists ${name} with (force)`)
      await createDatabase(admin, name, null)
      await fill(urlOf(server, name), template)
      await admin.query(`alter database ${name} is_template true`)
    }
    return name
  } finally {
    await admin.query("select pg_advisory_unlock(hashtext($1))", [name])
  }
}

async function fill(url: string, template: Template): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await template.build({ query: (text, values) => client.query(text, values), exec: (text) => client.query(text) })
  } finally {
    await client.end()
  }
}

async function createDatabase(admin: pg.Client, name: string, template: string | null): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await admin.query(`create database ${name} template ${template ?? "template0"}`)
      return
    } catch (error) {
      // 55006: somebody (autovacuum, the builder's closing connection) is still in the template.
      if ((error as { code?: string }).code !== "55006" || attempt === 100) throw error
      await admin.query("select pg_sleep(0.05)")
    }
  }
}
