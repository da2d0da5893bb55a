import { expect, test } from "vitest"
import { eachServer } from "./each-server.ts"
import { pagila, pagilaMissing } from "./pagila.ts"

eachServer("a fresh database", (target) => {
  test("answers, in UTC and UTF-8", async () => {
    const { rows } = await target.sql.query(
      "select current_setting('server_version_num')::int as version, current_setting('TimeZone') as zone, getdatabaseencoding() as encoding",
    )
    expect(Math.floor(Number(rows[0]!.version) / 10_000)).toBe(target.version)
    expect(["UTC", "GMT"]).toContain(rows[0]!.zone)
    expect(rows[0]!.encoding).toBe("UTF8")
  })
})

if (!pagilaMissing()) {
  eachServer(
    "the Pagila template",
    (target) => {
      test("holds every row of the dump", async () => {
        const { rows } = await target.sql.query(
          "select (select count(*) from public.rental)::int as rental, (select count(*) from public.payment)::int as payment, (select count(*) from public.film)::int as film",
        )
        expect(rows[0]).toEqual({ rental: 16_044, payment: 16_049, film: 1000 })
      })
    },
    { template: pagila },
  )
}
