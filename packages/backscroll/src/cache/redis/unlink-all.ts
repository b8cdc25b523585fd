const SCAN_COUNT = "1000";

/** Removes the keys of one server whose names begin so. SCAN and UNLINK, never FLUSHDB: the Redis may be shared. */
export async function unlinkAll(send: (args: readonly string[]) => Promise<unknown>, prefix: string): Promise<void> {
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`;
  let cursor = "0";
  do {
    const [next, keys] = (await send(["SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT])) as [Buffer, Buffer[]];
    // One key a command: in a cluster they lie in many slots.
    await Promise.all(keys.map((key) => send(["UNLINK", key.toString()])));
    cursor = next.toString();
  } while (cursor !== "0");
}
