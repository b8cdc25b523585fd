import { readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { generatedFiles } from "../../../scripts/generated-files.ts";
import { newSchema } from "./services.ts";

test("every generated file is up to date: `npm run generate`", async () => {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  for (const [path, text] of await generatedFiles(databaseUrl)) {
    expect(readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8"), `${path} is stale`).toBe(text);
  }
});
