import type pg from "pg"
import { afterAll, beforeAll } from "vitest"
import { changedSince, currentMark, syncTracking, trackingStatus } from "../../src/changes/index.ts"
import type { Database, Session } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import type { Target } from "../support/each-server.ts"

/** A database opened before the tests of a suite and closed after them. */
export function opened(target: Target): () => Database {
  let database: Database | undefined
  beforeAll(() => {
    database = openDatabase(target.source)
  })
  afterAll(() => database?.close())
  return () => database!
}

export async function oidOf(source: Pick<Database | Session, "queryText">, name: string): Promise<number> {
  const { rows } = await source.queryText({ text: "select $1::regclass::oid", values: [name] })
  return Number(rows[0]![0])
}

/** Runs `work` and tells whether it counts as a change of a relation. */
export async function changes(database: Database, relation: string, work: () => Promise<unknown>): Promise<boolean> {
  const oid = await oidOf(database, relation)
  const mark = await currentMark(database)
  await work()
  return changedSince(database, [oid], mark)
}

/** Polls until a condition holds; fails after ten seconds, or others where processes have to start first. */
export async function until(what: string, condition: () => Promise<boolean> | boolean, seconds = 10): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; ) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`waited in vain for ${what}`)
}

/** Waits until event triggers are relied on: when every older transaction of the server has ended, those of other tests among them. */
export function relied(database: Database): Promise<void> {
  return until("the event triggers to be relied on", async () => {
    await syncTracking(database)
    return (await trackingStatus(database)).ddl === "events"
  })
}

/** True when a backend waits for a lock. */
export async function waits(watcher: pg.Client, pid: number): Promise<boolean> {
  const { rows } = await watcher.query("select wait_event_type from pg_stat_activity where pid = $1", [pid])
  return rows[0]?.wait_event_type === "Lock"
}

export async function pidOf(client: pg.Client): Promise<number> {
  return (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]!.pid
}
