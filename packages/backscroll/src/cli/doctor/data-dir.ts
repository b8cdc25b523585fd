import { accessSync, constants, existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { errorMessage } from "../../domain/errors.ts";
import { embeddedVersion } from "../../postgres/embedded-binaries.ts";
import { findEmbeddedPostgres, type FoundEmbedded } from "../../postgres/find-embedded.ts";

/** Where the embedded PostgreSQL keeps its data, or would. */
export interface FoundDataDir {
  readonly cluster: FoundEmbedded;
  /** of the programs that npm has installed; null: why there are none */
  readonly version: string | null;
  readonly whyNoVersion: string;
  readonly freeBytes: number;
  readonly isWritable: boolean;
}

export async function findDataDir(dataDir: string): Promise<FoundDataDir> {
  const existing = nearestFolder(resolve(dataDir));
  const { bavail, bsize } = await statfs(existing);
  const found = { freeBytes: bavail * bsize, isWritable: isWritable(existing) };
  const cluster = await findEmbeddedPostgres(dataDir);
  try {
    return { ...found, cluster, version: embeddedVersion(), whyNoVersion: "" };
  } catch (error) {
    return { ...found, cluster, version: null, whyNoVersion: errorMessage(error) };
  }
}

/** @returns the folder itself, or the one in which it would be made */
function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
