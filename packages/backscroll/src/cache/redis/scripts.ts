import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RedisLink } from "./link.ts";

/** A Lua file: one atomic operation. Works from `src/` and from `dist/` alike: `lua/` lies beside both. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

export function loadScript(name: "append" | "fill"): Script {
  const source = readFileSync(new URL(`../../../lua/${name}.lua`, import.meta.url), "utf8");
  return { source, sha1: createHash("sha1").update(source).digest("hex") };
}

/** While a cluster moves a slot, its keys may for a moment lie on two nodes. */
const TRY_AGAIN_TIMES = 3;

/**
 * Runs a script by its hash; a server that does not know it yet (new, restarted, failed over) is sent the source.
 * Redis runs nothing of it in either refused case, so running it again does it once.
 */
export async function runScript(
  link: RedisLink,
  { source, sha1 }: Script,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
): Promise<number> {
  const [key = ""] = keys;
  const rest = [String(keys.length), ...keys, ...args];
  for (let tries = 1, command = ["EVALSHA", sha1]; ; tries += 1) {
    try {
      return Number(await link.send(key, [...command, ...rest]));
    } catch (error) {
      const message = error instanceof Error ? error.message : "";
      if (message.startsWith("NOSCRIPT")) command = ["EVAL", source];
      else if (!message.startsWith("TRYAGAIN") || tries >= TRY_AGAIN_TIMES) throw error;
    }
  }
}
