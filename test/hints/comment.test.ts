import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type CommentArgument, type CommentHint, parseComment, printComment } from "../../src/hints/comment.ts"
import { commentsOf } from "../../src/hints/scan-text.ts"

/** Names as a catalog may hold them, but for what no comment can carry. */
const name = fc
  .oneof(
    fc.constantFrom(
      "a",
      "C",
      "o_1",
      "customer:tier",
      'say "hi"',
      "größe",
      "a b",
      "x(y)",
      "s1.orders",
      "#1",
      "*VALUES*",
      "$1",
      "a\u00a0b",
    ),
    fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
  )
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is refused
  .filter((text) => !/\*\/|\/\*|[\x00-\x1f\x7f]/.test(text) && text !== "")
const argument: fc.Arbitrary<CommentArgument> = fc.letrec<{ node: CommentArgument }>((tie) => ({
  node: fc.oneof({ maxDepth: 3 }, name, fc.array(tie("node"), { minLength: 2, maxLength: 2 })),
})).node
const hint: fc.Arbitrary<CommentHint> = fc.record({
  keyword: fc.constantFrom("SeqScan", "IndexScan", "HashJoin", "NoNestLoop", "Leading", "Rows", "Parallel", "Memoize", "Set"),
  args: fc.array(argument, { minLength: 1, maxLength: 4 }),
})

describe("the comment grammar", () => {
  test("reads back what it prints, whatever the names are", () => {
    const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
    let quoted = 0
    fc.assert(
      fc.property(fc.array(hint, { minLength: 1, maxLength: 5 }), (hints) => {
        const text = printComment(hints)
        if (text.includes('"')) quoted++
        expect(parseComment(text)).toEqual(hints)
        // Nothing in it ends the comment early or starts another.
        expect(commentsOf(`${text} select 1`).map(({ start, end }) => [start, end])).toEqual([[0, text.length]])
      }),
      { seed, numRuns: 500 },
    )
    console.log(`comment grammar: seed ${seed}, ${quoted} of 500 with quoted names`)
    expect(quoted).toBeGreaterThan(50)
  })

  test("prints the extension's own forms", () => {
    expect(
      printComment([
        { keyword: "Leading", args: [[["a", "b"], "c"]] },
        { keyword: "IndexScan", args: ["c", "Odd Name"] },
      ]),
    ).toBe('/*+ Leading(((a b) c)) IndexScan(c "Odd Name") */')
  })

  test.each([
    ["an unknown keyword", "USE_INDEX(rental idx)"],
    ["a comma between hints", "SeqScan(a), SeqScan(b)"],
    ["a missing parenthesis", "SeqScan(a"],
    ["no parenthesis at all", "SeqScan a"],
    ["an open quote", 'SeqScan("a)'],
  ])("stops where the extension would: %s", (_what, text) => {
    expect(() => parseComment(`/*+ ${text} */`)).toThrow(expect.objectContaining({ code: "E_HINT_BLOCK" }))
  })

  test.each(["a*/b", "a/*b", "a\nb", "a\0b", ""])("refuses a name that would break out: %j", (bad) => {
    expect(() => printComment([{ keyword: "SeqScan", args: [bad] }])).toThrow(expect.objectContaining({ code: "E_INVALID_HINT" }))
  })

  test("keywords in any case, arguments as they are", () => {
    expect(parseComment("/*+ seqscan(C) HASHJOIN(C d) */")).toEqual([
      { keyword: "SeqScan", args: ["C"] },
      { keyword: "HashJoin", args: ["C", "d"] },
    ])
  })
})

describe("comments in SQL", () => {
  test.each([
    ["select '/*+ SeqScan(a) */'", []],
    ["select E'\\'/*+ x */'", []],
    ["select 'it''s /* no */' /* yes */", ["/* yes */"]],
    ['select "/*+ a */" from t', []],
    ["select $$ /*+ a */ $$, $q$ -- $$ $q$ -- end", ["-- end"]],
    ["select $1 /*+ SeqScan(t) */ from t", ["/*+ SeqScan(t) */"]],
    ["/* a /* b */ c */ select 1", ["/* a /* b */ c */"]],
    ["select a$b$c /* x */ from t", ["/* x */"]],
    ["select 1 -- /*+ SeqScan(t) */", ["-- /*+ SeqScan(t) */"]],
    ["select U&'d\\0061' /* x */", ["/* x */"]],
  ])("%s", (sql, expected) => {
    expect(commentsOf(sql).map(({ text }) => text)).toEqual(expected)
  })
})
