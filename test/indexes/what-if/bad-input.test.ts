import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Worker } from "node:worker_threads"
import type { PGlite } from "@electric-sql/pglite"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openDatabase } from "../../../src/database/open.ts"
import { readDataDirectory, writeDataDirectory } from "../../../src/indexes/what-if/data-directory.ts"
import { type Catalog, extractCatalog, openPlanner, openShadow } from "../../../src/indexes/what-if/index.ts"
import { openPglite, serverTarget } from "../../support/each-server.ts"
import { urlOf } from "../../support/server.ts"
import { serverMissing } from "../../support/servers.ts"
import { candidate, freshFolder, sharedCache, shop } from "./support.ts"

describe.skipIf(serverMissing(18))("rights and losses on a server", () => {
  const target = serverTarget(18, shop)

  it("says which GRANT shows the statistics, to a role that sees none of them", async () => {
    const role = `reader_${target.server.name}`
    await target.sql.exec(`create role ${role} login; grant pg_monitor to ${role}; grant select on customers to ${role}`)
    const database = openDatabase(urlOf(target.server.server, target.server.name).replace("postgres@", `${role}@`))
    try {
      const catalog = await extractCatalog(database)
      const named = catalog.skipped.map(({ name, why }) => `${name}: ${why}`).join("\n")
      expect(named).toContain(`GRANT SELECT ON public.orders TO ${role}`)
      expect(named).toContain("pg_monitor does not suffice")
      expect(named).toContain("pg_read_all_data")
      expect(named).not.toContain("public.customers:")
      const shadow = await openShadow(catalog, { cacheFolder: sharedCache() })
      expect(
        (await shadow.plan({ text: "select * from orders where status = 'void'" }, [candidate("orders", ["status"])])).cost,
      ).toBeGreaterThan(0)
      await shadow.close()
    } finally {
      await database.close()
      await target.sql.exec(`drop owned by ${role}; drop role ${role}`)
    }
  })

  it("rejects, and leaves nothing open, when the server goes away in the middle", async () => {
    const database = openDatabase(target.source)
    const admin = await target.server.client()
    let killed = false
    const dying = new Proxy(database, {
      get(own, key) {
        if (key !== "acquire") return Reflect.get(own, key, own)
        return async () => {
          const session = await own.acquire()
          return new Proxy(session, {
            get(inner, name) {
              const value = Reflect.get(inner, name, inner) as unknown
              if (typeof value !== "function") return value
              return async (...args: unknown[]) => {
                const text = (args[0] as { text?: string } | undefined)?.text ?? ""
                if (!killed && text.includes("pg_stats")) {
                  killed = true
                  await admin.query("select pg_terminate_backend($1)", [inner.pid])
                }
                return (value as (...all: unknown[]) => unknown).apply(inner, args)
              }
            },
          })
        }
      },
    })
    await expect(extractCatalog(dying)).rejects.toMatchObject({ code: "E_CONNECTION" })
    expect(killed).toBe(true)
    await expect(extractCatalog(database)).resolves.toBeDefined()
    await database.close()
  })

  it("does not wait behind a lock: it leaves the relation out and says so", async () => {
    const locker = await target.server.client()
    await locker.query("begin; lock table orders in access exclusive mode")
    const database = openDatabase(target.source)
    try {
      const catalog = await extractCatalog(database)
      const names = catalog.relations.map(({ name }) => name)
      expect(names).toContain("customers")
      expect(names).not.toContain("orders")
      expect(
        catalog.skipped
          .filter(({ why }) => why.includes("locked"))
          .map(({ name }) => name)
          .sort(),
      ).toEqual(["public.orders", "public.paid"])
    } finally {
      await locker.query("rollback")
      await database.close()
    }
  })

  it("stops when the caller's signal is aborted", async () => {
    const database = openDatabase(target.source)
    await expect(openPlanner(database, { whatIf: "shadow", signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "E_ABORTED",
    })
    const shadow = new AbortController()
    const catalog = await extractCatalog(database)
    const opening = openShadow(catalog, { cacheFolder: sharedCache(), signal: shadow.signal, onProgress: () => shadow.abort() })
    await expect(opening).rejects.toMatchObject({ code: "E_ABORTED" })
    await database.close()
  })
})

describe("what the copy cannot have", { timeout: 120_000 }, () => {
  let pglite: PGlite
  beforeAll(async () => {
    pglite = await openPglite()
  })
  afterAll(() => pglite.close())

  async function planned(sql: string, statement: string): Promise<{ cost: number; catalog: Catalog; skipped: string }> {
    await pglite.exec(sql)
    const catalog = await extractCatalog(openDatabase(pglite))
    const shadow = await openShadow(catalog, { cacheFolder: sharedCache() })
    try {
      const { cost } = await shadow.plan({ text: statement }, [])
      return { cost, catalog, skipped: shadow.skipped.map(({ kind, name, why }) => `${kind} ${name}: ${why}`).join("\n") }
    } finally {
      await shadow.close()
    }
  }

  it("plans tables without statistics, empty tables and tables without columns", async () => {
    const { cost, skipped } = await planned(
      "create table bare (a int, b text); create table none (); insert into bare select i from generate_series(1, 999) i",
      "select * from bare where a = 5",
    )
    const { rows } = await pglite.query<Record<string, [{ Plan: Record<string, number> }]>>(
      "explain (format json) select * from bare where a = 5",
    )
    expect(cost).toBe(rows[0]!["QUERY PLAN"]![0].Plan["Total Cost"])
    expect(skipped).toBe("")
  })

  it("imitates types that it does not know, and keeps the rest of the table", async () => {
    const { catalog } = await planned(
      "create table places (id int primary key, note text); insert into places select i, 'n' from generate_series(1, 500) i; analyze places",
      "select 1",
    )
    const odd: Catalog = {
      ...catalog,
      extensions: [{ name: "postgis", schema: "public" }],
      types: [
        ...catalog.types,
        { schema: "public", name: "geometry", kind: "b", labels: [], definition: "", ...{ extension: "postgis" } },
      ],
      relations: catalog.relations.map((relation) =>
        relation.name !== "places"
          ? relation
          : {
              ...relation,
              columns: [
                ...relation.columns,
                { number: 3, name: "at", type: "public.geometry(Point,4326)", notNull: false, collation: null, generated: null },
                { number: 4, name: "old", type: "public.gone_type", notNull: false, collation: null, generated: null },
              ],
              indexes: [
                ...relation.indexes,
                {
                  ...relation.indexes[0]!,
                  id: "1",
                  name: "places_at",
                  constraint: null,
                  definition: "CREATE INDEX places_at ON public.places USING gist (at)",
                },
              ],
            },
      ),
    }
    const shadow = await openShadow(odd, { cacheFolder: sharedCache() })
    const said = shadow.skipped.map(({ kind, name }) => `${kind} ${name}`)
    expect(said).toContain("extension postgis")
    expect(said).toContain("type public.geometry")
    expect(said).toContain("column public.places.at")
    expect(said).toContain("column public.places.old")
    expect(said).toContain("index public.places_at")
    expect((await shadow.plan({ text: "select note, at from places where id = 5" }, [])).existingUsed).toEqual(["places_pkey"])
    await shadow.close()
  })

  it("keeps user functions in predicates, checks and virtual columns, whatever their language", async () => {
    const { cost, catalog, skipped } = await planned(
      `create function vip(n int) returns boolean language sql immutable as 'select n % 100 = 0';
       create table guests (id int primary key, n int check (n > 0), plus int generated always as (n + 1) virtual);
       create index guests_vip on guests (n) where vip(n);
       insert into guests select i, i from generate_series(1, 20000) i; analyze guests`,
      "select * from guests where vip(n) and n < 500",
    )
    expect(skipped).toBe("")
    const { rows } = await pglite.query<Record<string, [{ Plan: Record<string, number> }]>>(
      "explain (format json) select * from guests where vip(n) and n < 500",
    )
    expect(cost).toBeCloseTo(rows[0]!["QUERY PLAN"]![0].Plan["Total Cost"]!, 1)
    // A language that the copy does not have: the same signature, answering NULL.
    const foreign = {
      ...catalog,
      functions: catalog.functions.map((found) =>
        found.name === "vip"
          ? { ...found, definition: "create function public.vip(n int) returns boolean language plpython3u as 'return True'" }
          : found,
      ),
    }
    const shadow = await openShadow(foreign, { cacheFolder: sharedCache() })
    expect(shadow.skipped.map(({ kind }) => kind)).toContain("function")
    expect((await shadow.plan({ text: "select * from guests where id = 4" }, [])).cost).toBeGreaterThan(0)
    await shadow.close()
  })

  it("leaves temporary tables and unknown names out, by name", async () => {
    await pglite.exec("create temporary table passing (a int)")
    const catalog = await extractCatalog(openDatabase(pglite), {
      relations: [{ name: "passing" }, { name: "nowhere" }, { schema: "x", name: "y" }],
    })
    expect(catalog.relations).toEqual([])
    expect(catalog.skipped.map(({ name, why }) => `${name}: ${why.split(" ").slice(0, 3).join(" ")}`)).toEqual([
      "passing: a temporary table",
      "nowhere: no relation of",
      "x.y: no relation of",
    ])
  })

  it("copies many partitions with their indexes", async () => {
    const many = Array.from(
      { length: 300 },
      (_, at) => `create table many_${at} partition of many for values from (${at * 10}) to (${at * 10 + 10});`,
    ).join("\n")
    const { skipped } = await planned(
      `create table many (id int primary key, v text) partition by range (id); create index on many (v); ${many} insert into many select i, 'v' || i from generate_series(0, 2999) i; analyze many`,
      "select * from many where id = 77",
    )
    expect(skipped).toBe("")
  })

  it("fakes a table of a terabyte exactly", async () => {
    await pglite.exec(
      "create table vast (id bigint, v text); insert into vast select i, 'v' || i from generate_series(1, 1000) i; analyze vast",
    )
    const catalog = await extractCatalog(openDatabase(pglite), { relations: [{ name: "vast" }] })
    const pages = 1024 ** 4 / 8192
    const tuples = 9e9
    const shadow = await openShadow(
      {
        ...catalog,
        settings: [...catalog.settings, ["max_parallel_workers_per_gather", "0"]],
        relations: catalog.relations.map((relation) => ({ ...relation, pages, tuples, bytes: 1024 ** 4 })),
      },
      { cacheFolder: sharedCache() },
    )
    const exact = pages * 1 + tuples * 0.01
    const scan = await shadow.plan({ text: "select * from vast" }, [])
    expect(Math.abs(scan.cost / exact - 1)).toBeLessThan(1e-6)
    const index = candidate("vast", ["id"])
    const found = await shadow.plan({ text: "select * from vast where id = 77" }, [index])
    expect(found.used).toEqual([index.id])
    expect(await shadow.size(index)).toBeGreaterThan(150e9)
    expect((await shadow.plan({ text: "select * from vast" }, [])).cost).toBe(scan.cost)
    await shadow.close()
  })

  it("starts anew after a crash, once, with the same answers", async () => {
    const workers: Worker[] = []
    const catalog = await extractCatalog(openDatabase(pglite), { relations: [{ name: "guests" }] })
    const shadow = await openShadow(catalog, { cacheFolder: sharedCache(), onWorker: (worker) => workers.push(worker) })
    const first = await shadow.plan({ text: "select * from guests where n = 5" }, [candidate("guests", ["n"])])
    await workers[0]!.terminate()
    expect(await shadow.plan({ text: "select * from guests where n = 5" }, [candidate("guests", ["n"])])).toEqual(first)
    expect(workers.length).toBe(2)
    await workers[1]!.terminate()
    await expect(shadow.plan({ text: "select * from guests" }, [])).rejects.toMatchObject({ code: "E_SHADOW_CRASHED" })
    await shadow.close()
    await expect(shadow.plan({ text: "select * from guests" }, [])).rejects.toMatchObject({ code: "E_SHADOW_CRASHED" })
  })

  it("ends a call that never comes back", async () => {
    const catalog = await extractCatalog(openDatabase(pglite), { relations: [] })
    const endless = {
      schema: "public",
      name: "endless",
      arguments: "",
      returns: "int",
      language: "plpgsql",
      definition: "create function public.endless() returns int language plpgsql immutable as 'begin loop end loop; end'",
    }
    const shadow = await openShadow({ ...catalog, functions: [endless] }, { cacheFolder: sharedCache(), callTimeoutMs: 2000 })
    await expect(shadow.plan({ text: "select endless()" }, [])).rejects.toMatchObject({ code: "E_SHADOW_CRASHED" })
    await shadow.close()
  })
})

// Directories are initialised here, three at once: seconds of WASM each.
describe("the kept data directory", { timeout: 300_000 }, () => {
  it("is made again where it is damaged, whatever the damage", async () => {
    const folder = freshFolder()
    const pglite = await openPglite()
    const catalog = await extractCatalog(openDatabase(pglite))
    await pglite.close()
    await (await openShadow(catalog, { cacheFolder: sharedCache() })).close()
    const name = readdirSync(sharedCache()).find((file) => file.endsWith(".tar.gz"))!
    const good = readFileSync(join(sharedCache(), name))
    const version = name.replace(/^shadow-pglite-|\.tar\.gz$/g, "")
    for (const bad of [
      Buffer.alloc(0),
      good.subarray(0, 1e5),
      Buffer.concat([good.subarray(0, 5000), Buffer.from("x"), good.subarray(5001)]),
    ]) {
      writeFileSync(join(folder, name), bad)
      expect(await readDataDirectory(folder, version)).toBeNull()
      expect(readdirSync(folder)).toEqual([])
    }
    // The checksum is right and the content is not a data directory.
    await writeDataDirectory(folder, version, Buffer.alloc(10_240))
    const shadow = await openShadow(catalog, { cacheFolder: folder })
    expect((await shadow.plan({ text: "select 1" }, [])).cost).toBeGreaterThan(0)
    await shadow.close()
    expect((await readDataDirectory(folder, version))!.length).toBeGreaterThan(1e6)
  })

  it("serves two starts at the same moment, and one that may not write", async () => {
    const folder = freshFolder()
    const pglite = await openPglite()
    await pglite.exec(
      "create table t (secret text); insert into t select 'hushhush' || i from generate_series(1, 5000) i; analyze t",
    )
    const catalog = await extractCatalog(openDatabase(pglite))
    const blocked = join(folder, "file")
    mkdirSync(folder, { recursive: true })
    writeFileSync(blocked, "")
    const shadows = await Promise.all(
      [folder, folder, join(blocked, "below")].map((cacheFolder) => openShadow(catalog, { cacheFolder })),
    )
    for (const shadow of shadows)
      expect(
        (await shadow.plan({ text: "select * from t where secret = 'hushhush7'" }, [candidate("t", ["secret"])])).used.length,
      ).toBe(1)
    await Promise.all(shadows.map((shadow) => shadow.close()))
    await pglite.close()
    const files = readdirSync(folder).filter((file) => file !== "file")
    expect(files.length).toBe(1)
    // Nothing of the user's is ever in it.
    expect(readFileSync(join(folder, files[0]!)).includes("hushhush")).toBe(false)
  })
})
