import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // Worker threads that tests start (the embedded database's) are plain node and inherit this.
    execArgv: ["--import", new URL("test/support/register.mjs", import.meta.url).href],
    testTimeout: 180_000,
    hookTimeout: 240_000,
    // Two cores: more workers only make servers and WASM starts slower.
    maxWorkers: 2,
  },
})
