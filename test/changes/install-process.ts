// A process of its own that tracks tables: node --import …/register.mjs install-process.ts URL TABLE …
import { track } from "../../src/changes/index.ts"
import { openDatabase } from "../../src/database/open.ts"

const [url, ...tables] = process.argv.slice(2)
const database = openDatabase(url)
await track(database, tables)
await database.close()
