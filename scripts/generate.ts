import { mkdtempSync, chmodSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../packages/backscroll/src/postgres/embedded.ts";
import { generatedFiles } from "./generated-files.ts";

/** Writes every generated file: `npm run generate`. A test fails when one is stale. */
const dataDir = mkdtempSync(join(tmpdir(), "backscroll-generate-"));
chmodSync(dataDir, 0o755);
const postgres = await startEmbeddedPostgres({ dataDir });
try {
  for (const [path, text] of await generatedFiles(postgres.connectionString)) {
    writeFileSync(new URL(`../${path}`, import.meta.url), text);
    process.stderr.write(`${path}\n`);
  }
} finally {
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
