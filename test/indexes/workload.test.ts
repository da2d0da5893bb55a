import { describe, expect, test } from "vitest"
import { formatAdvice, logWorkload, sqlWorkload } from "../../src/indexes/index.ts"
import { repairNormalised } from "../../src/sql/repair.ts"

describe("SQL files", () => {
  test("are split by the grammar; equal statements are counted; a bad one hides no other", async () => {
    const good = await sqlWorkload("\\timing on\nselect * from a where x = 1; select ';' from b;\nselect * from a where x = 2;")
    expect(good.map(({ text, calls }) => [text, calls])).toEqual([
      ["select * from a where x = 1", 2],
      ["select ';' from b", 1],
    ])
    const bad = await sqlWorkload("select 1; select frm where; select a from b where c = $$;$$ -- ;\n")
    expect(bad.map(({ text }) => text)).toEqual(["select 1", "select frm where", expect.stringContaining("$$;$$")])
    expect(await sqlWorkload(" -- nothing\n")).toEqual([])
  })
})

describe("log files", () => {
  const expected = [{ text: "select * from a where x = $1", values: ["it's"], calls: 2 }]
  test("plain text, with a prefix and parameters in DETAIL", async () => {
    const log = `2024-05-01 10:00:00 UTC [7] app@db LOG:  duration: 12.5 ms  execute <unnamed>: select * from a where x = $1
2024-05-01 10:00:00 UTC [7] app@db DETAIL:  parameters: $1 = 'it''s'
2024-05-01 10:00:01 UTC [7] app@db LOG:  duration: 0.1 ms  bind <unnamed>: select * from a where x = $1
2024-05-01 10:00:01 UTC [7] app@db LOG:  duration: 11 ms  statement: select *
\tfrom a
\twhere x = $1
2024-05-01 10:00:02 UTC [7] app@db LOG:  checkpoint starting: time
`
    expect(await logWorkload(log)).toEqual(expected)
  })
  test("csvlog and jsonlog", async () => {
    const csv = (message: string, detail: string): string =>
      `2024-05-01 10:00:00.000 UTC,"u","d",1,"h:1",a.b,1,"SELECT",2024-05-01 10:00:00 UTC,3/1,0,LOG,00000,"${message.replaceAll('"', '""')}","${detail}",,,,,,,,"app","client backend",,0\n`
    const execute = "duration: 5 ms  execute s1: select * from a where x = $1"
    expect(await logWorkload(csv(execute, "parameters: $1 = 'it''s'").repeat(2))).toEqual(expected)
    const json = JSON.stringify({ error_severity: "LOG", message: execute, detail: "Parameters: $1 = 'it''s'" })
    expect(await logWorkload(`${json}\n${json}\n{"message": "cut o`)).toEqual(expected)
  })
  test("auto_explain, as text and as JSON", async () => {
    const text =
      "2024-05-01 LOG:  duration: 30.1 ms  plan:\n\tQuery Text: select * from b where y = 5\n\tSeq Scan on b  (cost=0.00..1.00 rows=1 width=4)\n"
    expect(await logWorkload(text)).toEqual([{ text: "select * from b where y = 5", calls: 1 }])
    const json = JSON.stringify({ message: `duration: 3 ms  plan:\n${JSON.stringify({ "Query Text": "select 7", Plan: {} })}` })
    expect(await logWorkload(json)).toEqual([{ text: "select 7", calls: 1 }])
  })
})

test("normalised statements become what the server can plan", () => {
  expect(repairNormalised("select 1 where t > now() - interval $1 and d = date $2")).toBe(
    "select 1 where t > now() - $1::interval and d = $2::date",
  )
  expect(repairNormalised("select x::numeric($1,$2), extract($3 from d)")).toBe("select x::numeric, extract(epoch from d)")
  expect(repairNormalised("select current_timestamp($1) where b in ($3 /*, ... */)")).toBe(
    "select current_timestamp where b in ($3)",
  )
  expect(repairNormalised("select * from a where b = $1 and update_date = $2")).toBe(
    "select * from a where b = $1 and update_date = $2",
  )
})

test("migrations create outside a transaction and can be undone", () => {
  const one = {
    reason: "It serves WHERE a = ….",
    statements: ["CREATE INDEX CONCURRENTLY i ON t (a)"],
    undo: ["DROP INDEX CONCURRENTLY public.i"],
  } as never
  expect(formatAdvice([one], "sql")[0]!.text).toContain("-- It serves WHERE a = ….\nCREATE INDEX CONCURRENTLY i ON t (a);")
  expect(formatAdvice([one], "knex")[0]!.text).toContain("transaction: false")
  expect(formatAdvice([one, one], "prisma")).toHaveLength(2)
  expect(() => formatAdvice([one], "yaml" as never)).toThrowError(expect.objectContaining({ code: "E_INVALID_OPTION" }))
})
