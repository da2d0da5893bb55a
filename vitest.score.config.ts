import { defineConfig } from "vitest/config"

/** Scores are measurements, not tests: they run by their own commands and print tables. */
export default defineConfig({
  test: {
    include: ["test/score/**/*.score.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 1_800_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
    execArgv: ["--import", new URL("test/support/register.mjs", import.meta.url).href],
  },
})
