import { connect as connectSocket, createServer, type Server, type Socket } from "node:net"
import { afterAll, afterEach, beforeAll, expect, test } from "vitest"
import { type ChangeListener, listenForChanges, track } from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { startServer, urlOf } from "../support/server.ts"
import { oidOf, until } from "./support.ts"

/** What a listener said, in order. */
class Record {
  readonly events: string[] = []
  readonly changed: number[] = []
  readonly handlers = {
    onUp: (generation: number): void => void this.events.push(`up ${generation}`),
    onChange: ({ relation }: { relation: number }): void => void this.changed.push(relation),
    onDown: (): void => void this.events.push("down"),
  }
  has(event: string): boolean {
    return this.events.includes(event)
  }
}

/** A proxy that can stop forwarding without closing anything, as a cable that is pulled. */
async function pullable(port: number): Promise<{ readonly port: number; pull(): void; close(): void }> {
  const sockets = new Set<Socket>()
  let pulled = false
  const server: Server = createServer((client) => {
    const upstream = connectSocket(port, "127.0.0.1")
    const wasPulled = pulled
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on("error", () => {})
      from.on("close", () => {
        if (!pulled || wasPulled) to.destroy()
      })
      from.on("data", (chunk) => {
        if (!pulled || wasPulled) to.write(chunk)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    port: (server.address() as { port: number }).port,
    pull: () => {
      pulled = true
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

eachServer("a listener", (target) => {
  let database: Database
  let listener: ChangeListener | undefined
  const sql = (text: string): Promise<unknown> => target.sql.exec(text)
  beforeAll(async () => {
    await sql("create table orders (id int)")
    database = openDatabase(target.source)
    await track(database, ["orders"], { notify: true })
  })
  afterEach(async () => {
    await listener?.close()
    listener = undefined
  })
  afterAll(() => database.close())

  test("hears every commit once it is up, in order, and nothing after close", async () => {
    const record = new Record()
    listener = listenForChanges(database, record.handlers)
    await expect(listener.settled()).rejects.toMatchObject({ code: "E_CONNECTION" })
    await until("it to be up", () => record.has("up 1"))
    expect([listener.up, listener.generation]).toEqual([true, 1])
    for (let n = 0; n < 20; n++) await sql("insert into orders values (1)")
    await listener.settled()
    expect(record.changed).toEqual(Array.from({ length: 20 }, () => record.changed[0]))
    expect(record.changed[0]).toBe(await oidOf(database, "orders"))
    await listener.close()
    await listener.close()
    await sql("insert into orders values (1)")
    expect([record.events, record.changed.length, listener.up]).toEqual([["up 1"], 20, false])
  })

  test("closed while it connects it stays quiet", async () => {
    const record = new Record()
    await listenForChanges(database, record.handlers).close()
    expect(record.events).toEqual([])
  })

  test("its own echo keeps it up", async () => {
    const record = new Record()
    listener = listenForChanges(database, record.handlers, { heartbeat: "20ms" })
    await until("it to be up", () => record.has("up 1"))
    for (let n = 0; n < 10; n++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      await listener.settled()
    }
    expect(record.events).toEqual(["up 1"])
  })
})

eachServer(
  "a listener's losses",
  (target) => {
    let database: Database
    beforeAll(async () => {
      await target.sql.exec("create table orders (id int)")
      database = openDatabase(target.source)
      await track(database, ["orders"], { notify: true })
    })
    afterAll(() => database.close())
    const terminate = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
      and (query like 'listen selecto%' or query like '%pg_notify($1, $2)%') and pid <> pg_backend_pid()`

    test("a backend that is terminated: down at once, up again with the next number", async () => {
      const record = new Record()
      const listener = listenForChanges(database, record.handlers, { maxPause: "50ms" })
      await until("it to be up", () => record.has("up 1"))
      for (let generation = 2; generation < 6; generation++) {
        const pending = listener.settled().catch((error) => error)
        await target.sql.query(terminate)
        await until("it to be up again", () => record.has(`up ${generation}`))
        await pending
      }
      expect(record.events).toEqual(["up 1", "down", "up 2", "down", "up 3", "down", "up 4", "down", "up 5"])
      await target.sql.query("insert into orders values (1)")
      await listener.settled()
      expect(record.changed).toHaveLength(1)
      await listener.close()
    })

    test("a line that is dead without a word: down when the echo stays out", async () => {
      const proxy = await pullable(target.server.server.port)
      const through = openDatabase(target.server.url.replace(`:${target.server.server.port}/`, `:${proxy.port}/`))
      const record = new Record()
      const listener = listenForChanges(through, record.handlers, { heartbeat: "50ms", maxPause: "50ms" })
      await until("it to be up", () => record.has("up 1"))
      proxy.pull()
      await target.sql.query("insert into orders values (1)")
      await until("it to be down", () => record.has("down"))
      expect(record.changed).toEqual([])
      // New connections pass: it comes back by itself.
      await until("it to be up again", () => record.has("up 2"))
      await target.sql.query("insert into orders values (1)")
      await listener.settled()
      expect(record.changed).toHaveLength(1)
      await listener.close()
      proxy.close()
      await through.close()
    })

    test("a database that is closed ends it", async () => {
      const other = openDatabase(target.source)
      const record = new Record()
      const listener = listenForChanges(other, record.handlers, { maxPause: "50ms" })
      await until("it to be up", () => record.has("up 1"))
      await other.close()
      await until("it to be down", () => record.has("down"))
      await listener.close()
      expect(record.events).toEqual(["up 1", "down"])
    })

    test("a server that restarts", async () => {
      const server = await startServer(target.version)
      const own = openDatabase(urlOf(server, "postgres"))
      const record = new Record()
      await own.query({ text: "create table t (id int)", values: [] })
      await track(own, ["t"], { notify: true })
      const listener = listenForChanges(own, record.handlers, { heartbeat: "100ms", maxPause: "50ms" })
      await until("it to be up", () => record.has("up 1"))
      await server.stop()
      await until("it to be down", () => record.has("down"))
      expect(listener.up).toBe(false)
      await expect(listener.settled()).rejects.toMatchObject({ code: "E_CONNECTION" })
      await listener.close()
      await own.close()
    })
  },
  { pglite: false },
)
