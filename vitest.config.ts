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
    // Whatever is awaited may take as long as a busy machine needs; vitest's own second is a timed test.
    expect: { poll: { timeout: 15_000 } },
  },
});
