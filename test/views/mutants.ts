/** Mistakes that matchers have been known to make, as changes of this one's text. Each must be noticed by the differential check. */
export interface Mutant {
  readonly name: string
  /** The form of views that brings it to light soonest. */
  readonly focus: string
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[]
}

export const mutants: readonly Mutant[] = [
  {
    name: "an average of averages",
    focus: "plain",
    edits: [
      { file: "rollup.ts", from: '} else if (call.name === "avg" && ', to: '} else if (call.name === "never" && ' },
      { file: "rollup.ts", from: 'new Set(["min", "max", "bool_and"', to: 'new Set(["min", "max", "avg", "bool_and"' },
    ],
  },
  {
    name: "a complement that loses NULLs",
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
    focus: "plain",
    edits: [{ file: "rollup.ts", from: "const sure = sameGrain || ", to: "const sure = true || " }],
  },
  {
    name: "a range that cuts a bucket",
    focus: "buckets",
    edits: [{ file: "derive.ts", from: "!begins(edge, from.bucket)", to: "false" }],
  },
  {
    name: "an additional join by a nullable foreign key",
    focus: "semiJoined",
    edits: [{ file: "lossless.ts", from: "return present ? key : null", to: "return key" }],
  },
  {
    name: "padded rows kept",
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
    name: "< taken for <=",
    focus: "parts",
    edits: [{ file: "logic/consistent.ts", from: 'strict: operator === "<" })', to: "strict: false })" }],
  },
]
