/** `import "selecto-pg/vitest"` teaches Vitest's `expect` two matchers for query plans. */
import { expect } from "vitest"
import { type NoIssuesOptions, planMatchers } from "./explain/matchers.ts"

declare module "vitest" {
  interface Matchers<T> {
    /** The query's plan reads the index of this name. Await it. */
    toUseIndex(index: string): Promise<T>
    /** The query's plan has no issue of severity medium or worse. Await it. */
    toHaveNoPlanIssues(options?: NoIssuesOptions): Promise<T>
  }
}

expect.extend(planMatchers)
