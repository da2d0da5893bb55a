import fc from "fast-check"
import { expect, test } from "vitest"
import { commentOf, currentComment, withTags } from "../../src/monitor/tags.ts"

test("tags are sorted and encoded as the specification has it", () => {
  expect(commentOf({ route: "/film/:id", application: "my shop", action: undefined, empty: "" })).toBe(
    "/*application='my%20shop',route='%2Ffilm%2F%3Aid'*/",
  )
  expect(commentOf({})).toBeUndefined()
})

test("no value can end the string or the comment", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })), (tags) => {
      const comment = commentOf(tags)
      if (comment === undefined) return
      expect(comment.indexOf("*/")).toBe(comment.length - 2)
      expect(comment.slice(2)).not.toContain("/*")
      expect(comment.slice(2, -2)).toMatch(/^[\w%.-]+='[\w%.-]+'(,[\w%.-]+='[\w%.-]+')*$/)
    }),
    { seed: 15, numRuns: 500 },
  )
})

test("scoped tags add to the static ones, and do not leak between calls that run at once", async () => {
  const options = { static: { application: "shop" } }
  const comments = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      withTags({ route: `/r${n}` }, async () => {
        for (let turn = 0; turn < n % 7; turn++) await new Promise((resolve) => setImmediate(resolve))
        return withTags({ action: "show" }, () => currentComment(options))
      }),
    ),
  )
  expect(comments).toEqual(comments.map((_, n) => `/*action='show',application='shop',route='%2Fr${n}'*/`))
  expect(currentComment(options)).toBe("/*application='shop'*/")
  expect(withTags({ route: "x" }, () => currentComment({ ...options, scoped: false }))).toBe("/*application='shop'*/")
})
