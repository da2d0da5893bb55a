import type pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import { changedSince, currentMark, pruneLog, track } from "../../src/changes/index.ts"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { randomOf, seedOf } from "../support/random.ts"
import { oidOf } from "./support.ts"

const levels = ["read committed", "repeatable read", "serializable"]
const tables = ["one", "two", "parted"]

/** Each write notes itself, in the same (sub)transaction, in a table that is not tracked: what is visible there is the truth. */
const schema = `
create table one (id int primary key, n int not null default 0);
create table two (id int primary key, n int not null default 0);
create table parted (id int, n int not null default 0) partition by range (id);
create table parted_low partition of parted for values from (0) to (50);
create table parted_high partition of parted for values from (50) to (100);
insert into one select n from generate_series(0, 99) n;
insert into two select n from generate_series(0, 99) n;
insert into parted select n from generate_series(0, 99) n;
create table truth (id bigserial primary key, name text not null);
`

interface Tally {
  commits: number
  rollbacks: number
  prepared: number
  checks: number
  checksInside: number
  changed: number
  unchanged: number
  /** Changes that the test did not report. */
  missed: number
  /** Reported without a change: allowed only where the snapshot is older than the mark, and where the log was pruned. */
  spurious: number
}

/** Writers and checkers side by side for a while. */
async function history(
  clients: () => Promise<pg.Client>,
  oids: ReadonlyMap<string, number>,
  seed: number,
  ms: number,
  stopAtMissed = false,
): Promise<Tally> {
  const tally: Tally = {
    commits: 0,
    rollbacks: 0,
    prepared: 0,
    checks: 0,
    checksInside: 0,
    changed: 0,
    unchanged: 0,
    missed: 0,
    spurious: 0,
  }
  const deadline = Date.now() + ms
  const running = (): boolean => Date.now() < deadline && !(stopAtMissed && tally.missed > 0)
  const marks: { mark: string; table: string; truth: string }[] = []
  const stateOf = (table: string): string => `(select count(*) || ':' || coalesce(sum(id), 0) from truth where name = '${table}')`

  const writer = async (random: () => number): Promise<void> => {
    const client = await clients()
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
    for (let n = 0; running(); n++) {
      const gid = `tx_${seed}_${Math.floor(random() * 2 ** 31)}_${n}`
      let end = random() < 0.15 ? "rollback" : random() < 0.1 ? `prepare transaction '${gid}'` : "commit"
      try {
        await client.query(`begin isolation level ${pick(levels)}`)
        let depth = 0
        let hasWritten = false
        for (let statements = 1 + Math.floor(random() * 4); statements > 0; statements--) {
          if (random() < 0.3) await client.query(`savepoint s${++depth}`)
          const table = pick(tables)
          const id = Math.floor(random() * 100)
          const target = table === "parted" && random() < 0.5 ? (id < 50 ? "parted_low" : "parted_high") : table
          const write = pick([
            `update ${target} set n = n + 1 where id = ${id}`,
            `update ${target} set n = n + 1 where id = ${id}`,
            `with gone as (delete from ${target} where id = ${id} returning id) select from gone`,
            table === "parted"
              ? `insert into ${target} values (${id})`
              : `insert into ${table} values (${id}) on conflict (id) do update set n = 0`,
            random() < 0.05 ? `truncate ${target}` : `update ${target} set n = n - 1 where id = ${id}`,
          ])
          const { rowCount, command } = await client.query(write)
          // A statement that met no row is told where its transaction has written before.
          if ((rowCount ?? 0) > 0 || command === "TRUNCATE" || hasWritten) {
            await client.query("insert into truth (name) values ($1)", [table])
            hasWritten = true
          }
          if (depth > 0 && random() < 0.4) await client.query(`rollback to savepoint s${depth}`)
          if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, random() * 20))
        }
        await client.query(end)
        if (end.startsWith("prepare")) {
          tally.prepared++
          await new Promise((resolve) => setTimeout(resolve, random() * 30))
          end = random() < 0.3 ? "rollback" : "commit"
          await client.query(`${end} prepared '${gid}'`)
        }
        tally[end === "commit" ? "commits" : "rollbacks"]++
      } catch (error) {
        // A deadlock or a serialisation failure: as any other rollback.
        if (!["40001", "40P01"].includes((error as { code?: string }).code ?? "")) throw error
        await client.query("rollback")
        tally.rollbacks++
      }
    }
  }

  const checker = async (random: () => number): Promise<void> => {
    const client = await clients()
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
    const check = async (inside: boolean): Promise<void> => {
      const kept = pick(marks)
      if (kept === undefined) return
      const { rows } = await client.query<{ changed: boolean; truth: string }>(
        `select selecto.changes_since($1::oid[], $2) as changed, ${stateOf(kept.table)} as truth`,
        [[oids.get(kept.table)], kept.mark],
      )
      const { changed, truth } = rows[0]!
      const really = truth !== kept.truth
      tally[inside ? "checksInside" : "checks"]++
      tally[really ? "changed" : "unchanged"]++
      if (really && !changed) tally.missed++
      if (!really && changed && !inside) tally.spurious++
      // Old marks are changed for certain: most checks are of young ones.
      if (random() < 0.5) marks.splice(marks.indexOf(kept), 1)
    }
    const round = async (): Promise<void> => {
      const inside = random() < 0.4
      if (inside) await client.query(`begin isolation level ${pick(levels)}`)
      for (let steps = 1 + Math.floor(random() * 4); steps > 0; steps--) {
        const table = pick(tables)
        const { rows } = await client.query<{ mark: string; truth: string }>(
          `select selecto.changes_mark() as mark, ${stateOf(table)} as truth`,
        )
        marks.push({ table, ...rows[0]! })
        if (marks.length > 12) marks.shift()
        await check(inside)
        if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, random() * 10))
      }
      if (inside && random() < 0.3) {
        // Its own change, not committed, is one for itself.
        const table = pick(["one", "two"])
        const before = (await client.query<{ mark: string }>("select selecto.changes_mark() as mark")).rows[0]!.mark
        await client.query(`update ${table} set n = n where id = (select min(id) from ${table})`)
        const { rows } = await client.query<{ changed: boolean; own: boolean }>(
          "select selecto.changes_since($1::oid[], $2) as changed, pg_current_xact_id_if_assigned() is not null as own",
          [[oids.get(table)], before],
        )
        if (rows[0]!.own && !rows[0]!.changed) tally.missed++
        await client.query("rollback")
      } else if (inside) await client.query(random() < 0.5 ? "commit" : "rollback")
    }
    while (running())
      try {
        await round()
      } catch (error) {
        if (!["40001", "40P01"].includes((error as { code?: string }).code ?? "")) throw error
        await client.query("rollback")
      }
  }

  await Promise.all([
    ...Array.from({ length: 4 }, (_, n) => writer(randomOf(seed + n))),
    ...Array.from({ length: 3 }, (_, n) => checker(randomOf(seed + 100 + n))),
  ])
  return tally
}

eachServer(
  "changedSince against the truth",
  (target) => {
    let database: Database
    let oids: ReadonlyMap<string, number>
    const seed = seedOf()

    beforeAll(async () => {
      await target.sql.exec(schema)
      database = openDatabase(target.source)
      await track(database, tables)
      oids = new Map(await Promise.all(tables.map(async (name) => [name, await oidOf(database, name)] as const)))
    })
    afterAll(() => database.close())

    test("transactions at every level, rolled back, prepared, with savepoints, on partitions: nothing is missed or made up", async () => {
      const tally = await history(() => target.server.client(), oids, seed, 5_000)
      console.log(`${target.label}, seed ${seed}: ${JSON.stringify(tally)}`)
      expect(tally).toMatchObject({ missed: 0, spurious: 0 })
      expect(tally.commits).toBeGreaterThan(100)
      expect(tally.rollbacks).toBeGreaterThan(20)
      expect(tally.prepared).toBeGreaterThan(5)
      expect(tally.checksInside).toBeGreaterThan(100)
      expect(tally.changed).toBeGreaterThan(100)
      expect(tally.unchanged).toBeGreaterThan(100)
    })

    test("with the log pruned all the while: nothing is missed", async () => {
      let pruning = true
      let pruned = 0
      const pruner = (async () => {
        while (pruning) {
          pruned += await pruneLog(database, { keep: 0, batch: 7 })
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      })()
      const tally = await history(() => target.server.client(), oids, seed + 1, 4_000)
      pruning = false
      await pruner
      console.log(`${target.label}, seed ${seed + 1}, ${pruned} rows pruned: ${JSON.stringify(tally)}`)
      expect(tally.missed).toBe(0)
      expect(pruned).toBeGreaterThan(100)
      // Only marks whose oldest running transaction is older than what was pruned are taken for changed.
      expect(tally.spurious).toBeLessThan(tally.unchanged / 2)
    })

    /** A mutant of a function in the database; the answer puts the original back. */
    const mutate = async (name: string, from: string, to: string): Promise<() => Promise<unknown>> => {
      const { rows } = await target.sql.query("select pg_get_functiondef(p.oid) as text from pg_proc p where p.proname = $1", [
        name,
      ])
      const text = String(rows[0]!.text)
      expect(text).toContain(from)
      await target.sql.exec(text.replace(from, to))
      return () => target.sql.exec(text)
    }

    test.each([
      ["transactions that were under way are forgotten", "changes_since", "if oldest < newer then", "if false then"],
      [
        "the log is searched by the mark's oldest transaction only",
        "changes_since",
        "xid >= newer",
        "xid > newer and xid < oldest",
      ],
      [
        "the snapshot of the caller is not held against the mark",
        "changes_since",
        "if pg_snapshot_xmin(present) < newer then",
        "if false then",
      ],
      [
        "a trigger says nothing where the transaction has begun a while ago",
        "changes_log",
        "and selecto.changes_said(",
        "and true or selecto.changes_said(",
      ],
    ])("a mutant is caught: %s", async (_name, name, from, to) => {
      const restore = await mutate(name, from, to)
      try {
        const tally = await history(() => target.server.client(), oids, seed + 2, 30_000, true)
        expect(tally.missed).toBeGreaterThan(0)
      } finally {
        await restore()
      }
    })

    test("a mutant is caught: rows are pruned and nobody is told", async () => {
      let pruning = true
      const pruner = (async () => {
        while (pruning) {
          await target.sql.query("delete from selecto.changes_log where xid < pg_snapshot_xmin(pg_current_snapshot())")
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      })()
      const tally = await history(() => target.server.client(), oids, seed + 4, 30_000, true)
      pruning = false
      await pruner
      expect(tally.missed).toBeGreaterThan(0)
    })

    test("a mutant is caught: a partition without its trigger", async () => {
      const { rows } = await target.sql.query(
        "select tgname from pg_trigger where tgrelid = 'parted_low'::regclass and tgname like 'selecto%'",
      )
      // Behind the event triggers' back, as a superuser may.
      await target.sql.exec(
        `set selecto.arming = on; alter table parted_low disable trigger ${String(rows[0]!.tgname)}; reset selecto.arming`,
      )
      try {
        const tally = await history(() => target.server.client(), oids, seed + 3, 30_000, true)
        expect(tally.missed).toBeGreaterThan(0)
      } finally {
        await target.sql.exec(`alter table parted_low enable always trigger ${String(rows[0]!.tgname)}`)
      }
    })
  },
  { pglite: false },
)

eachServer("changedSince", (target) => {
  let database: Database
  beforeAll(async () => {
    await target.sql.exec("create table plain (id int); create table other (id int)")
    database = openDatabase(target.source)
    await track(database, ["plain"])
  })
  afterAll(() => database.close())

  test("what cannot be known counts as changed", async () => {
    const oid = await oidOf(database, "plain")
    const mark = (await currentMark(database))!
    expect(await changedSince(database, [oid], mark)).toBe(false)
    expect(await changedSince(database, [], mark)).toBe(false)
    expect(await changedSince(database, [oid, await oidOf(database, "other")], mark)).toBe(true)
    expect(await changedSince(database, [oid], null)).toBe(true)
    const [epoch, timeline, snapshot] = mark.split("/") as [string, string, string]
    expect(await changedSince(database, [oid], `${epoch.replace(/.$/, "x")}/${timeline}/${snapshot}`)).toBe(true)
    expect(await changedSince(database, [oid], `${epoch}/00000002/${snapshot}`)).toBe(true)
    expect(await changedSince(database, [oid], `${epoch}/${timeline}/900000000000:900000000000:`)).toBe(true)
    await expect(changedSince(database, [oid], "no mark at all that anybody could have made or read: nonsense")).resolves.toBe(
      true,
    )
  })

  test("what was derived from tables that do not change stays valid when the log is pruned", async () => {
    await target.sql.exec("create table busy (id int)")
    await track(database, ["busy"])
    const [plain, busy] = [await oidOf(database, "plain"), await oidOf(database, "busy")]
    const mark = await currentMark(database)
    for (let n = 0; n < 5; n++) await target.sql.query("insert into busy values ($1)", [n])
    expect(await pruneLog(database, { keep: 0 })).toBeGreaterThanOrEqual(0)
    const later = await currentMark(database)
    expect(await pruneLog(database, { keep: 0 })).toBeGreaterThan(0)
    expect(await changedSince(database, [plain], mark)).toBe(false)
    expect(await changedSince(database, [busy], mark)).toBe(true)
    expect(await changedSince(database, [busy], later)).toBe(false)
    expect(await pruneLog(database, { keep: "1h" })).toBe(0)
  })
})
