import { NODE_MIN, refusalOf } from "../../supported-node.ts";
import { bytes, type Check, fail, ok, warn } from "./check.ts";

const FREE_WARN_BYTES = 2 ** 30;
const FREE_FAIL_BYTES = 100 * 2 ** 20;

/** What Backscroll runs on, without any other server. */
export const MACHINE_CHECKS: readonly Check[] = [
  {
    id: "node",
    title: "Node.js",
    examine({ nodeVersion }) {
      if (refusalOf(nodeVersion) === null) return ok(nodeVersion);
      return fail(`${nodeVersion} is too old`, `Install Node.js ${NODE_MIN} or later`);
    },
  },
  {
    id: "data-dir",
    title: "Data folder",
    examine({ dataDir, config }) {
      if (dataDir === null) return null;
      if (dataDir.isWritable) return ok(config.dataDir);
      return fail(
        `${config.dataDir} cannot be written to by this account`,
        "Run as the account that owns it, or choose another folder with BACKSCROLL_DATA_DIR",
      );
    },
  },
  {
    id: "disk",
    title: "Disk",
    examine({ dataDir }) {
      if (dataDir === null) return null;
      const detail = `${bytes(dataDir.freeBytes)} free for the data folder`;
      const fix = "Make room on that disk, or move the data folder to a larger one (BACKSCROLL_DATA_DIR)";
      if (dataDir.freeBytes < FREE_FAIL_BYTES) return fail(detail, fix);
      return dataDir.freeBytes < FREE_WARN_BYTES ? warn(detail, fix) : ok(detail);
    },
  },
];
