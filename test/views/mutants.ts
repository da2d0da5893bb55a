import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Mistakes that matchers have been known to make, as changes of this one's text. Each must be noticed by the differential check. */
export interface Mutant {
  readonly name: string
  /** The form of views that brings it to light soonest. */
  readonly focus: string
  /** Comes to light within some hundred pairs: these are tried with the tests, all of them by `npm run check:views:mutants`. */
  readonly often: boolean
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[]
}

export const mutants: readonly Mutant[] = [
  {
    name: "an average of averages",
    often: false,
    focus: "plain",
    edits: [
      { file: "rollup.ts", from: '} else if (call.name === "avg" && ', to: '} else if (call.name === "never" && ' },
      { file: "rollup.ts", from: 'new Set(["min", "max", "bool_and"', to: 'new Set(["min", "max", "avg", "bool_and"' },
    ],
  },
  {
    name: "a complement that loses NULLs",
    often: true,
    focus: "parts",
    edits: [
      {
        file: "union.ts",
        from: '{ kind: "test", test: "true", negated: true, operand: junction("and", missing, world) }',
        to: '{ kind: "not", operand: junction("and", missing, world) }',
      },
    ],
  },
  {
    name: "a scalar count without coalesce",
    often: true,
    focus: "plain",
    edits: [{ file: "rollup.ts", from: "const sure = sameGrain || ", to: "const sure = true || " }],
  },
  {
    name: "a range that cuts a bucket",
    often: true,
    focus: "buckets",
    edits: [{ file: "derive.ts", from: "!begins(edge, from.bucket)", to: "false" }],
  },
  {
    name: "an additional join by a nullable foreign key",
    often: false,
    focus: "semiJoined",
    edits: [{ file: "lossless.ts", from: "return present ? key : null", to: "return key" }],
  },
  {
    name: "padded rows kept",
    often: false,
    focus: "plain",
    edits: [
      {
        file: "overlay.ts",
        from: "if (tested.some((condition) => rejectsNulls(condition, world, leaves))) continue",
        to: "continue",
      },
    ],
  },
  {
    name: "count(column) taken for count(*)",
    often: true,
    focus: "plain",
    edits: [
      {
        file: "canonical.ts",
        from: "if (counted === undefined || mayBeNull(counted)) return expression",
        to: "if (counted === undefined) return expression",
      },
    ],
  },
  {
    name: "a finer grain taken for the same",
    often: true,
    focus: "plain",
    edits: [
      {
        file: "answer.ts",
        from: "if (!viewKeys.every((key) => byQuery.expression(key))",
        to: "if (!viewKeys.some((key) => byQuery.expression(key))",
      },
    ],
  },
  {
    name: "DISTINCT rows taken for all rows",
    often: false,
    focus: "plain",
    edits: [
      {
        file: "answer.ts",
        from: 'if (query.group === null) return { reason: "the view keeps groups, the query asks for their rows", stage: 5 }',
        to: "if (query.group === null) return rewritten(query, query, laid, laid.derive, world)",
      },
    ],
  },
  {
    name: "<= taken for <",
    often: false,
    focus: "parts",
    edits: [{ file: "logic/consistent.ts", from: 'strict: operator === "<" })', to: "strict: true })" }],
  },
]

const here = new URL("../../", import.meta.url)

/** Runs the differential check with the mutant planted, on an empty database; true when it was noticed. */
export function isNoticed({ edits, focus }: Mutant, url: string, seed: number): Promise<boolean> {
  const child = spawn(process.execPath, ["--import", "./test/views/mutant-loader.mjs", "test/views/check.ts"], {
    cwd: fileURLToPath(here),
    env: {
      ...process.env,
      NODE_OPTIONS: "",
      SELECTO_MUTANT: JSON.stringify(edits),
      SELECTO_UNTIL_FIRST: "1",
      SELECTO_FOCUS: focus,
      SELECTO_PAIRS: "1500",
      SELECTO_SEED: String(seed),
      SELECTO_URL: url,
    },
    stdio: ["ignore", "pipe", "inherit"],
  })
  let said = ""
  child.stdout.on("data", (part: Buffer) => {
    said += String(part)
  })
  return new Promise((resolve, reject) => {
    child.on("error", reject)
    child.on("close", () => resolve(/ [1-9]\d* mistakes/.test(said)))
  })
}
