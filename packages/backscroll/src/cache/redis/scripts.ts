import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { errorMessage } from "../../domain/errors.ts";
import type { RedisLink } from "./redis-link.ts";

/** A Lua file: one atomic operation. Works from `src/` and from `dist/` alike: `lua/` lies beside both. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

type ScriptName = "append" | "fill" | "extend-reply" | "open-changes" | "take-budget" | "open-slot" | "renew-slots";

export function loadScript(name: ScriptName): Script {
  const source = readFileSync(new URL(`../../../lua/${name}.lua`, import.meta.url), "utf8");
  return { source, sha1: createHash("sha1").update(source).digest("hex") };
}

/**
 * Runs a script by its hash; a server that does not know it yet (new, restarted, failed over) is sent the source.
 * Redis has run nothing of it then, so it runs once.
 */
export async function runScript(
  link: Pick<RedisLink, "send">,
  { source, sha1 }: Script,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
): Promise<unknown> {
  const [key = ""] = keys;
  const rest = [String(keys.length), ...keys, ...args];
  try {
    return await link.send(key, ["EVALSHA", sha1, ...rest]);
  } catch (error) {
    if (!errorMessage(error).startsWith("NOSCRIPT")) throw error;
    return link.send(key, ["EVAL", source, ...rest]);
  }
}
