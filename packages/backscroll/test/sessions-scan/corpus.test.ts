import { expect, test } from "vitest";
import { scanSessions } from "../../src/sessions-scan/scan.ts";
import { applications, type Sample, snippets, writeSample } from "./corpus.ts";

async function found(sample: Sample): Promise<string[]> {
  const { uses, leftOut, problems } = await scanSessions(writeSample(sample));
  expect(problems).toEqual([]);
  return [...uses, ...leftOut.map((at) => ({ ...at, pattern: "left-out" }))]
    .map(({ file, line, pattern }) => `${file}:${line} ${pattern}`)
    .toSorted();
}

test.each(snippets())("$name", async (sample) => {
  expect(await found(sample)).toEqual(sample.expected.toSorted());
});

test.each(applications())("the application $name, across its files", async (sample) => {
  expect(await found(sample)).toEqual(sample.expected.toSorted());
});
