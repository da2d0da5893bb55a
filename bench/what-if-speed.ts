/**
 * What the shadow costs: npm run build, then
 * node --import ./test/support/register.mjs bench/what-if-speed.ts [--dist] [--relations 28,1500] [--json]
 * With --dist the compiled package is measured, as users run it.
 */

import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import pg from "pg"
import { startServer, urlOf } from "../test/support/server.ts"

const { values: options } = parseArgs({
  options: {
    dist: { type: "boolean", default: false },
    relations: { type: "string", default: "28,1500" },
    partitions: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
  },
})
const root = options.dist ? "../dist" : "../src"
const ending = options.dist ? "js" : "ts"
const { extractCatalog, openShadow } = (await import(
  `${root}/indexes/what-if/index.${ending}`
)) as typeof import("../src/indexes/what-if/index.ts")
const { openDatabase } = (await import(`${root}/database/open.${ending}`)) as typeof import("../src/database/open.ts")

const results: Record<string, number>[] = []
const server = await startServer(15)
try {
  for (const count of options.relations.split(",").map(Number)) results.push(await measure(count, 0))
  for (const count of options.partitions.split(",").map(Number)) if (count > 0) results.push(await measure(1, count))
} finally {
  await server.stop()
}
if (options.json) process.stdout.write(`${JSON.stringify(results, null, 1)}\n`)
else console.table(results)

async function measure(relations: number, partitions: number): Promise<Record<string, number>> {
  const name = `r${relations}_${partitions}`
  const admin = new pg.Client({ connectionString: urlOf(server, "postgres") })
  await admin.connect()
  await admin.query(`create database ${name}`)
  await admin.end()
  const client = new pg.Client({ connectionString: urlOf(server, name) })
  await client.connect()
  for (let at = 0; at < relations; at++) {
    await client.query(`create table t${at} (id int primary key, a int, b text, c timestamp, d numeric, e boolean, f text, g bigint);
      create index on t${at} (a); create index on t${at} (b, c);
      insert into t${at} select i, i % 97, md5(i::text), timestamp '2024-01-01' + i * interval '1 minute', i / 3.0, i % 2 = 0, 'x' || i % 9, i from generate_series(1, ${relations > 100 ? 300 : 5000}) i`)
  }
  if (partitions > 0) {
    await client.query("create table p (id int primary key, a int, b text) partition by range (id); create index on p (a)")
    for (let at = 0; at < partitions; at++)
      await client.query(`create table p_${at} partition of p for values from (${at * 10}) to (${at * 10 + 10})`)
    await client.query(`insert into p select i, i % 97, 'b' || i from generate_series(0, ${partitions * 10 - 1}) i`)
  }
  await client.query("vacuum analyze")
  await client.end()

  const database = openDatabase(urlOf(server, name))
  await database.query({ text: "select 1", values: [] })
  // The first start makes the data directory; not what is measured.
  await (await openShadow({ ...(await extractCatalog(database, { relations: [] })) })).close()
  const table = relations > 0 && partitions === 0 ? "t0" : "p"
  const before = process.memoryUsage().rss
  const loop = monitorEventLoopDelay({ resolution: 2 })
  loop.enable()
  const cpu = process.cpuUsage()
  const started = performance.now()
  const catalog = await extractCatalog(database)
  const extracted = performance.now()
  const phases: Record<string, number> = {}
  const shadow = await openShadow(catalog, {
    onProgress: ({ phase, done }) => {
      phases[`${phase}${done}`] = performance.now()
    },
  })
  const opened = performance.now()
  const { user, system } = process.cpuUsage(cpu)
  loop.disable()
  const index = (column: string) => ({
    id: column,
    schema: "public",
    table,
    method: "btree" as const,
    keys: [column],
    include: [],
    where: null,
  })
  const plan = { text: `select * from ${table} where a = 5` }
  for (let warm = 0; warm < 5; warm++) await shadow.plan(plan, [index("b")])
  const explains = await timed(100, () => shadow.plan(plan, [index("b")]))
  const whatIfs =
    partitions > 0
      ? Number.NaN
      : await timed(30, (at) =>
          shadow.plan(plan, [{ ...index("a"), keys: ["a", at % 2 === 0 ? "b" : "c"], where: `id > ${at}` }]),
        )
  const rss = process.memoryUsage().rss
  await shadow.close()
  await database.close()
  return {
    relations: catalog.relations.length,
    extractMs: Math.round(extracted - started),
    startMs: Math.round((phases.start1 ?? 0) - (phases.start0 ?? 0)),
    buildMs: Math.round(opened - (phases.start1 ?? 0)),
    cpuMs: Math.round((user + system) / 1000),
    explainMs: explains,
    whatIfMs: whatIfs,
    rssMB: Math.round(rss / 1e6),
    rssOfShadowMB: Math.round((rss - before) / 1e6),
    loopBlockedMs: Math.round(loop.max / 1e6),
    skipped: shadow.skipped.length,
  }
}

/** Median milliseconds. */
async function timed(count: number, run: (at: number) => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let at = 0; at < count; at++) {
    const started = performance.now()
    await run(at)
    times.push(performance.now() - started)
  }
  return Number(times.sort((a, b) => a - b)[Math.floor(count / 2)]!.toFixed(2))
}
