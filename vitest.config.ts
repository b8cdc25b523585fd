import { defineConfig } from "vitest/config";

export default defineConfig({
  ssr: { resolve: { conditions: ["backscroll-source"] } },
  resolve: { conditions: ["backscroll-source"] },
  test: {
    include: ["packages/*/test/**/*.test.ts"],
    globalSetup: ["packages/backscroll/test/cluster.ts"],
    isolate: false,
    pool: "threads",
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // A busy machine may need more than vitest's own second; an audit, every 10 s, may not do what is awaited.
    expect: { poll: { timeout: 5_000 } },
  },
});
