import type pg from "pg"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { Database } from "../../src/database/database.ts"
import { openDatabase } from "../../src/database/open.ts"
import { type ViewService, viewService } from "../../src/views/index.ts"
import { eachServer } from "../support/each-server.ts"
import { randomOf, seedOf } from "../support/random.ts"

const schema = `
create table shop (id int primary key, region text not null);
create table sale (id int generated always as identity primary key, shop int not null references shop, amount int not null);
insert into shop select i, 'r' || i % 4 from generate_series(1, 12) i;
insert into sale (shop, amount) select 1 + i % 12, i from generate_series(1, 200) i;
`
const definition =
  "select s.region, count(*) as n, sum(x.amount) as total from sale x join shop s on s.id = x.shop group by s.region"
const above = "select count(*) as regions, sum(total) as total from by_region"
/** Is it said to be exact, and is it? One statement, one snapshot. */
const check = (view: string, text: string): string => `
select selecto.views_fresh('${view}'::regclass) as fresh,
  not exists ((select * from ${view} except all (${text})) union all ((${text}) except all select * from ${view})) as equal`

interface Tally {
  commits: number
  refreshes: number
  fresh: number
  stale: number
  /** Said to be exact, and not so. */
  wrong: number
}

async function history(
  client: () => Promise<pg.Client>,
  views: ViewService,
  seed: number,
  ms: number,
  stopAtWrong = false,
): Promise<Tally> {
  const tally: Tally = { commits: 0, refreshes: 0, fresh: 0, stale: 0, wrong: 0 }
  const deadline = Date.now() + ms
  const running = (): boolean => Date.now() < deadline && !(stopAtWrong && tally.wrong > 0)
  const passing = (error: unknown): void => {
    const { code, sqlState } = error as { code?: string; sqlState?: string }
    if (!["40001", "40P01", "55P03", "E_LOCK_TIMEOUT"].includes(sqlState ?? code ?? "")) throw error
  }
  const writer = async (n: number): Promise<void> => {
    const [session, random] = [await client(), randomOf(seed + n)]
    while (running()) {
      try {
        await session.query(`begin isolation level ${random() < 0.5 ? "read committed" : "repeatable read"}`)
        for (let i = 0; i < 1 + random() * 2; i++) {
          const shop = 1 + Math.floor(random() * 12)
          const kind = random()
          if (kind < 0.5) await session.query("insert into sale (shop, amount) values ($1, $2)", [shop, Math.floor(random() * 9)])
          else if (kind < 0.75)
            await session.query("delete from sale where id in (select id from sale where shop = $1 limit 1)", [shop])
          else await session.query("update shop set region = $2 where id = $1", [shop, `r${Math.floor(random() * 5)}`])
        }
        await session.query(random() < 0.2 ? "rollback" : "commit")
        tally.commits++
      } catch (error) {
        await session.query("rollback")
        passing(error)
      }
      await new Promise((resolve) => setTimeout(resolve, random() * 500))
    }
  }
  const refresher = async (n: number): Promise<void> => {
    const random = randomOf(seed + 50 + n)
    while (running()) {
      try {
        const names = random() < 0.5 ? ["by_region"] : ["above", "by_region"]
        const reports = await views.refreshAll(names, {
          concurrently: random() < 0.3 ? false : "auto",
          lockTimeout: "50ms",
          retryFor: "200ms",
        })
        if (reports.some(({ outcome }) => outcome === "refreshed")) tally.refreshes++
      } catch (error) {
        passing(error)
      }
      await new Promise((resolve) => setTimeout(resolve, random() * 40))
    }
  }
  const checker = async (n: number): Promise<void> => {
    const [session, random] = [await client(), randomOf(seed + 100 + n)]
    while (running()) {
      const inside = random() < 0.6
      try {
        if (inside) await session.query("begin isolation level repeatable read")
        for (let i = 0; i < (inside ? 3 : 1); i++) {
          const [name, text] =
            random() < 0.6
              ? (["by_region", definition] as const)
              : (["above", `select count(*), sum(total) from (${definition}) d`] as const)
          const { rows } = await session.query<{ fresh: boolean; equal: boolean }>(check(name, text))
          const { fresh, equal } = rows[0]!
          if (fresh) tally.fresh++
          else tally.stale++
          if (fresh && !equal) tally.wrong++
          if (inside) await new Promise((resolve) => setTimeout(resolve, random() * 30))
        }
        if (inside) await session.query("commit")
      } catch (error) {
        await session.query("rollback")
        passing(error)
      }
    }
  }
  await Promise.all([writer(1), writer(2), refresher(1), refresher(2), checker(1), checker(2), checker(3)])
  return tally
}

eachServer(
  "what is said to be exact",
  (target) => {
    let database: Database
    let views: ViewService
    const seed = seedOf()
    beforeAll(async () => {
      await target.sql.exec(schema)
      database = openDatabase(target.source)
      views = viewService(database)
      await views.create({ name: "by_region", text: definition, track: true })
      await views.create({ name: "above", text: above, track: true })
    })
    afterAll(() => database.close())

    test("is exact, at every level, inside transactions too, with writers and refreshers beside", async () => {
      const tally = await history(() => target.server.client(), views, seed, 5_000)
      console.log(`${target.label}, seed ${seed}: ${JSON.stringify(tally)}`)
      expect(tally.wrong).toBe(0)
      expect(tally.commits).toBeGreaterThan(10)
      expect(tally.refreshes).toBeGreaterThan(3)
      expect(tally.fresh).toBeGreaterThan(5)
      expect(tally.stale).toBeGreaterThan(20)
    })

    // That a plain refresh shows its rows to older snapshots too is tested in beside.test.ts, step by step.
    test.each([
      ["changes below are not asked for", "if selecto.changes_since(found_view.bases, found_view.mark)", "if false"],
      ["views below count for nothing", "not selecto.views_fresh(input.relation)", "false"],
    ])("a mutant is caught: %s", async (_name, from, to) => {
      const { rows } = await target.sql.query(
        "select pg_get_functiondef(p.oid) as text from pg_proc p where p.proname = 'views_fresh'",
      )
      const text = String(rows[0]!.text)
      expect(text).toContain(from)
      await target.sql.exec(text.replace(from, to))
      try {
        expect((await history(() => target.server.client(), views, seed + 7, 30_000, true)).wrong).toBeGreaterThan(0)
      } finally {
        await target.sql.exec(text)
      }
    })
  },
  { pglite: false },
)
