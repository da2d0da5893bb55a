// A process of its own that works on views: node --import …/register.mjs view-process.ts URL create|refresh|work NAME
import { openDatabase } from "../../src/database/open.ts"
import { viewService } from "../../src/views/index.ts"

const [url, action, name] = process.argv.slice(2)
const database = openDatabase(url, { applicationName: "selecto test" })
const views = viewService(database)
if (action === "create")
  process.stdout.write(
    (
      await views.create({
        name: name!,
        text: "select kind, count(*) as n from item group by kind",
        track: true,
        refresh: "hourly",
      })
    ).outcome,
  )
if (action === "refresh") process.stdout.write((await views.refresh(name!, { retryFor: "60s" })).outcome)
if (action === "work") process.stdout.write(String((await views.work()).refreshed.length))
await database.close()
