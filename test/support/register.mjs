// Lets plain node run TypeScript: `node --import ./test/support/register.mjs file.ts`. Node 20 cannot strip types itself, and a
// worker thread of a test run is plain node.
import { register } from "node:module"

register("./loader.mjs", import.meta.url)
