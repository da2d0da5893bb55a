import { createWriteStream } from "node:fs"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type pg from "pg"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { connect } from "../../src/client/connect.ts"
import { defineDomain } from "../../src/domain/define.ts"
import type { ExportFormat, ParallelOptions, ParallelReport } from "../../src/parallel/index.ts"
import { count, sum } from "../../src/query/aggregate.ts"
import { gt } from "../../src/query/condition.ts"
import { desc } from "../../src/query/expression.ts"
import { pgliteTarget } from "../support/each-server.ts"
import { serverMissing, serverVersions } from "../support/servers.ts"
import { reportOf, workshop } from "./support.ts"
import { trickyTables } from "./tables.ts"

const mains = defineDomain({
  name: "Mains",
  source: {
    table: "main",
    primaryKey: "id",
    columns: {
      id: "integer",
      k: "integer?",
      n: "decimal?",
      big: "bigint?",
      t: "string?",
      tz: "timestamptz?",
      b: "boolean?",
      small: "smallint?",
    },
    associations: { dim: { target: "dim", ownerKey: "k", relatedKey: "id" } },
  },
  schemas: { dim: { table: "dim", primaryKey: "id", columns: { id: "integer", label: "string?", grp: "integer?" } } },
  joins: { dim: { type: "left" } },
})

async function all<Row>(rows: AsyncIterable<Row>): Promise<Row[]> {
  const found: Row[] = []
  for await (const row of rows) found.push(row)
  return found
}

/** COPY from this process, which the library does not offer. */
function copyIn(client: pg.Client, text: string, bytes: Buffer): Promise<void> {
  const { connection } = client as unknown as { connection: PgWire }
  return new Promise((resolve, reject) => {
    client.query({
      submit: () => void connection.query(text),
      handleCopyInResponse: () => {
        connection.sendCopyFromChunk(bytes)
        connection.endCopyFrom()
      },
      handleCommandComplete: () => {},
      handleReadyForQuery: () => resolve(),
      handleError: reject,
    } as never)
  })
}

interface PgWire {
  query(text: string): void
  sendCopyFromChunk(bytes: Buffer): void
  endCopyFrom(): void
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "selecto-export-"))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

for (const version of serverVersions)
  describe.skipIf(serverMissing(version))(`streams and exports in parallel, PostgreSQL ${version}`, () => {
    const shop = workshop(version)
    const shared = (options: ParallelOptions = {}): ParallelOptions => ({ where: "client", workers: 3, ...options })

    test("a query of the builder has the rows it has without, decoded by its domain", async () => {
      const query = shop.selecto
        .from(mains)
        .select({ label: "dim.label", revenue: sum("n"), n: count(), most: sum("big") })
        .filter({ small: gt(-2) })
        .groupBy("dim.label")
        .having(gt(count(), 10))
        .orderBy(desc("n"), "label")
      const result = await query.parallel(shared()).run()
      expect(reportOf(result)).toMatchObject({ chosen: "client", partition: "blocks of main" })
      expect(result.rows).toEqual(await query.execute())
      const rows = shop.selecto.from(mains).select("id", "tz", "b", "big", "n").orderBy("id").limit(200)
      expect(await rows.parallel(shared()).execute()).toEqual(await rows.execute())
      // Columns and tables by the query's own paths.
      for (const partition of [{ hash: "dim.grp" }, { range: "id" }, { hash: "k" }] as const) {
        const divided = await query.parallel(shared({ partition })).run()
        expect(divided.rows, JSON.stringify(partition)).toEqual(result.rows)
        expect(reportOf(divided).chosen).toBe("client")
      }
      expect(reportOf(await query.parallelJoin("dim", shared()).run()).partition).toBe("blocks of dim")
      expect(
        await query
          .parallel(shared())
          .executeOne()
          .catch((error) => error.code),
      ).toBe("E_MULTIPLE_RESULTS")
      expect((await query.parallel(false).run()).report.parallel).toBeNull()
    })

    test("without an order rows come from whichever part, each once", async () => {
      let report: ParallelReport | undefined
      const query = shop.selecto
        .from(mains)
        .select("id", "tz", "n")
        .filter({ small: gt(-5) })
      const rows = await all(
        query
          .parallel(
            shared({
              onReport: (one) => {
                report = one
              },
            }),
          )
          .stream({ batchSize: 70 }),
      )
      const byId = (a: { id: number }, b: { id: number }): number => a.id - b.id
      expect(rows.sort(byId)).toEqual((await query.execute()).sort(byId))
      expect(report).toMatchObject({ chosen: "client", merge: "streaming", partition: "blocks of main" })
      expect(report!.parts).toBeGreaterThan(1)
    })

    test("in an order they come in it: by ranges of the key, or by sections merged here", async () => {
      const orders: Record<string, string> = {
        "m.id": "ranges of m.id",
        "m.id desc": "ranges of m.id",
        "m.n desc nulls first, m.id": "blocks of main",
        'm.tc collate "C", m.tz nulls first, m.id desc': "blocks of main",
        "m.big, m.f desc, m.d, m.b, m.id": "blocks of main",
      }
      for (const [order, partition] of Object.entries(orders)) {
        let report: ParallelReport | undefined
        const query = shop.selecto.statement(`select m.id, m.n, m.tc from main m where m.small is not null order by ${order}`)
        const rows = await all(
          query
            .parallel(
              shared({
                onReport: (one) => {
                  report = one
                },
              }),
            )
            .stream({ batchSize: 90 }),
        )
        expect(rows, order).toEqual(await query.execute())
        expect(report, order).toMatchObject({ chosen: "client", merge: "sort_merge", partition })
      }
      let report: ParallelReport | undefined
      const language = shop.selecto.statement("select m.id from main m order by m.t, m.id")
      const rows = await all(
        language
          .parallel(
            shared({
              onReport: (one) => {
                report = one
              },
            }),
          )
          .stream(),
      )
      expect(rows).toEqual(await language.execute())
      expect(report).toMatchObject({ chosen: "none", why: expect.stringMatching(/PostgreSQL's to tell/) })
    })

    test("groups, windows, limits and parameters stream too", async () => {
      const texts: [string, unknown[]][] = [
        ["select k, count(*)::int as n, sum(n) as s from main where id > $1 group by k order by k", [100]],
        ["select distinct t from main order by t limit $1", [9]],
        ["select id, row_number() over (partition by k order by id) as r from main order by id", []],
        [
          "select id from main where t = $1 and tz > $2 and by is distinct from $3 order by id",
          ["a\\'b", new Date(0), Buffer.from([1])],
        ],
        [
          "select id, $1::text as x from main where k = any($2) and n is not null order by id limit 20 -- trailing",
          ["it's \\ $1", [1, 2]],
        ],
      ]
      for (const [text, values] of texts) {
        const query = shop.selecto.statement(text, values)
        expect(await all(query.parallel(shared()).stream({ batchSize: 33 })), text).toEqual(await query.execute())
      }
    })

    test("PostgreSQL's workers share a stream, which a cursor would forbid", async () => {
      let report: ParallelReport | undefined
      const query = shop.selecto.statement("select m.id, m.n from main m where m.k > $1 order by m.id", [3])
      const rows = await all(
        query
          .parallel({
            where: "server",
            workers: 2,
            onReport: (one) => {
              report = one
            },
          })
          .stream({ batchSize: 100 }),
      )
      expect(rows).toEqual(await query.execute())
      expect(report).toMatchObject({ chosen: "server" })
    })

    test("in a transaction of the caller's its snapshot is read, by a stream too", async () => {
      await shop.selecto.transaction(
        async (tx) => {
          const query = tx.statement<{ id: number }>("select id from main order by id")
          const before = (await query.execute()).length
          await shop.query("delete from main where id = 1")
          expect(await all(query.parallel(shared()).stream())).toHaveLength(before)
          await shop.query("insert into main (id, filler) values (1, 'back')")
        },
        { isolation: "repeatable read", readOnly: true },
      )
    })

    const formats: readonly ExportFormat[] = ["csv", "ndjson", "binary"]
    test("an export has the same rows from one session and from several, in every format", async () => {
      for (const format of formats) {
        const query = shop.selecto.statement("select * from main where k is distinct from $1", [5])
        const [one, several] = [join(folder, `one.${format}`), join(folder, `several.${format}`)]
        const progress: number[] = []
        const alone = await query.export({ format, to: one, onProgress: ({ rows }) => progress.push(rows) })
        const shared = await query.parallel({ where: "client", workers: 3 }).export({ format, to: several })
        expect(alone.parallel).toBeNull()
        expect(shared.parallel).toMatchObject({ chosen: "client", partition: "blocks of main" })
        expect([shared.rows, shared.bytes]).toEqual([alone.rows, alone.bytes])
        expect(progress.at(-1)).toBe(alone.rows)
        expect(alone.rowsPerSecond).toBeGreaterThan(0)
        const [a, b] = [await readFile(one), await readFile(several)]
        expect(a.length).toBe(alone.bytes)
        if (format === "binary") {
          // Read back by the server: the proof that the parts' headers and trailers are where they belong.
          const client = await shop.database.client()
          await client.query("create temp table back (like main)")
          await copyIn(client, "copy back from stdin (format binary)", b)
          const { rows } = await client.query("select count(*)::int as n, count(distinct back.*)::int as own from back")
          expect(rows).toEqual([{ n: alone.rows, own: alone.rows }])
          expect((await client.query("select from (select * from back except select * from main) as other")).rowCount).toBe(0)
          continue
        }
        const lines = (bytes: Buffer): string[] => bytes.toString().split("\n").sort()
        expect(lines(a)).toEqual(lines(b))
        if (format === "ndjson")
          expect(
            lines(a)
              .filter(Boolean)
              .map((line) => JSON.parse(line).id),
          ).toHaveLength(alone.rows)
        else expect(a.toString().startsWith("id,k,small,big,")).toBe(true)
      }
      expect((await readdir(folder)).filter((name) => name.endsWith(".part"))).toEqual([])
    })

    test("an order, a limit and groups are exported as they are asked for", async () => {
      for (const text of [
        "select id, t from main order by id desc",
        "select id from main order by id limit 7",
        "select k, count(*) from main group by k order by k",
      ]) {
        const pieces: Uint8Array[] = []
        const query = shop.selecto.statement<Record<string, unknown>>(text)
        const result = await query.parallel({ workers: 3 }).export({ format: "ndjson", to: (bytes) => void pieces.push(bytes) })
        const rows = Buffer.concat(pieces)
          .toString()
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line))
        expect(
          rows.map((row) => Object.values(row).map(String)),
          text,
        ).toEqual((await query.execute()).map((row) => Object.values(row).map(String)))
        expect(result.rows).toBe(rows.length)
        await expect(query.parallel({ where: "client" }).export({ format: "csv", to: () => {} })).rejects.toMatchObject({
          code: "E_PARALLEL_REFUSED",
        })
      }
    })

    test("a target that fails, an abort and a timeout leave no file and no statement behind", async () => {
      const query = shop.selecto.statement("select m.* from main m, generate_series(1, 30) i").parallel(shared())
      await expect(
        query.export({
          format: "csv",
          to: () => {
            throw new Error("full")
          },
        }),
      ).rejects.toThrow("full")
      const abort = new AbortController()
      await expect(
        query.export({ format: "csv", to: join(folder, "aborted.csv"), signal: abort.signal, onProgress: () => abort.abort() }),
      ).rejects.toMatchObject({ code: "E_ABORTED" })
      await expect(query.export({ format: "ndjson", to: join(folder, "late.json"), timeoutMs: 30 })).rejects.toMatchObject({
        code: "E_TIMEOUT",
      })
      const stream = createWriteStream(join(folder, "closed.csv"))
      const exporting = query.export({ format: "csv", to: stream })
      stream.destroy()
      await expect(exporting).rejects.toThrow()
      expect((await readdir(folder)).filter((name) => /aborted|late|part/.test(name))).toEqual([])
      await expect(shop.selecto.statement("delete from main").export({ format: "csv", to: () => {} })).rejects.toMatchObject({
        code: "E_NOT_SUPPORTED",
      })
    })

    test("an abort ends an export whose target takes nothing more, and a stream whose reader is away", async () => {
      const stuck = { write: () => false, on: () => {}, removeListener: () => {} }
      const query = shop.selecto.statement("select * from main").parallel(shared())
      await expect(query.export({ format: "csv", to: stuck, timeoutMs: 200 })).rejects.toMatchObject({ code: "E_TIMEOUT" })
      const abort = new AbortController()
      const rows = query.stream({ batchSize: 5, signal: abort.signal })
      await rows.next()
      abort.abort()
      // Not read any further: the helpers go home all the same, only the leader waits for the reader.
      const out = (): number => shop.pool.totalCount - shop.pool.idleCount
      while (out() > 1) await delay(5)
      await rows.return!()
      expect(out()).toBe(0)
    })

    test("a stream that is slow is waited for", async () => {
      const file = join(folder, "slow.csv")
      const stream = createWriteStream(file, { highWaterMark: 1000 })
      const { bytes } = await shop.selecto.statement("select * from main").export({ format: "csv", to: stream })
      await new Promise<void>((resolve) => stream.end(() => resolve()))
      expect((await readFile(file)).length).toBe(bytes)
    })
  })

describe("exports where there is no COPY", () => {
  const target = pgliteTarget(trickyTables)
  test("csv and ndjson are what COPY would write; binary is the server's alone", async () => {
    const selecto = connect(target.pglite)
    const text = "select * from (values (1, 'a,b', null, E'x\\ny'), (2, '', '\"', 'plain')) as v(id, a, b, c)"
    for (const [format, expected] of [
      ["csv", 'id,a,b,c\n1,"a,b",,"x\ny"\n2,"","""",plain\n'],
      ["ndjson", '{"id":1,"a":"a,b","b":null,"c":"x\\ny"}\n{"id":2,"a":"","b":"\\"","c":"plain"}\n'],
    ] as const) {
      let written = ""
      const to = (bytes: Uint8Array): void => {
        written += Buffer.from(bytes).toString()
      }
      const result = await selecto.statement(text).export({ format, to })
      expect(written).toBe(expected)
      expect(result.rows).toBe(2)
    }
    await expect(selecto.statement(text).export({ format: "binary", to: () => {} })).rejects.toMatchObject({
      code: "E_NOT_SUPPORTED",
    })
    // The one session is free again.
    expect(await selecto.statement("select 1 as one").execute()).toEqual([{ one: 1 }])
  })
})
