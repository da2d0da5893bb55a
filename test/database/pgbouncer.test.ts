import { expect, test } from "vitest"
import { readCapabilities } from "../../src/database/capabilities.ts"
import { openDatabase } from "../../src/database/open.ts"
import { eachServer } from "../support/each-server.ts"
import { pgbouncerMissing, startPgbouncer } from "../support/pgbouncer.ts"

if (!pgbouncerMissing())
  eachServer(
    "behind PgBouncer",
    (target) => {
      for (const mode of ["session", "transaction"] as const)
        test(`${mode} pooling is found, a statement is cancelled through it, and LISTEN goes past it`, async () => {
          const bouncer = await startPgbouncer(target.server.server, mode)
          const database = openDatabase(`postgresql://postgres@127.0.0.1:${bouncer.port}/${target.server.name}`, {
            directUrl: target.server.url,
          })
          try {
            expect((await readCapabilities(database)).pooler).toBe(mode)
            expect((await readCapabilities(database.direct)).pooler).toBeNull()
            const work = database.query({ text: "select pg_sleep(60)", values: [] }, { timeoutMs: 100 })
            await expect(work).rejects.toMatchObject({ code: "E_TIMEOUT" })
            const notices: string[] = []
            let wake = (): void => {}
            const woken = new Promise<void>((resolve) => {
              wake = resolve
            })
            const listener = await database.direct.listen!(
              ["past"],
              (_, payload) => {
                notices.push(payload)
                wake()
              },
              () => {},
            )
            await database.query({ text: "select pg_notify('past', 'it')", values: [] })
            await woken
            expect(notices).toEqual(["it"])
            await listener.close()
          } finally {
            await database.close()
            await bouncer.stop()
          }
        })
    },
    { pglite: false },
  )
