import { spawn } from "node:child_process";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";

const LOG = new URL("../src/create-log.ts", import.meta.url).href;
const LINES = 20_000;
const WRITER = `
  const { createLog } = await import(${JSON.stringify(LOG)});
  const log = await createLog({ logLevel: "info", logFormat: "json", buffered: true, fd: 1 });
  for (let n = 0; n < ${LINES}; n += 1) log.info({ n, padding: "x".repeat(n % 500) }, "request");
`;

test("lines that several processes write into one pipe never break into each other", { timeout: 120_000 }, async () => {
  const writer = '"$0" --conditions=backscroll-source --input-type=module -e "$1"';
  // What Node.js gives a child is a socket.
  const child = spawn("sh", ["-c", `{ ${writer} & ${writer} & wait; } | cat`, process.execPath, WRITER], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    text += chunk;
    // A reader that is slower than they are: the pipe is full.
    for (let turn = 0; turn < 50; turn += 1) await setImmediate();
  }
  const lines = text.trimEnd().split("\n");
  const broken = lines.filter((line) => {
    try {
      return (JSON.parse(line) as { msg?: string }).msg !== "request";
    } catch {
      return true;
    }
  });
  expect(broken).toEqual([]);
  expect(lines).toHaveLength(2 * LINES);
});
