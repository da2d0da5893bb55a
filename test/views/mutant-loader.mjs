// Plants a mistake: `SELECTO_MUTANT` is JSON of [{ file, from, to }], each `from` standing once in its file.
import { register } from "node:module"

register("./mutant-hooks.mjs", import.meta.url)
