import type { Server } from "./url.ts";

/** A Redis Cluster's slots. */
export const SLOTS = 16_384;

/** CRC16-CCITT (XMODEM), a byte at a time. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/**
 * @returns the slot of a key: of what stands between its first `{` and the next `}`, unless that is nothing
 * ({@link https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags})
 */
export function slotOf(key: string): number {
  const start = key.indexOf("{");
  const end = start === -1 ? -1 : key.indexOf("}", start + 1);
  const hashed = end > start + 1 ? key.slice(start + 1, end) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) ^ (TABLE[(crc >> 8) ^ byte] ?? 0)) & 0xffff;
  return crc % SLOTS;
}

export interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly master: Server;
}

/**
 * @param reply of CLUSTER SLOTS
 * @param asked the node that answered; it may not know its own address
 */
export function parseSlots(reply: unknown, asked: Server): readonly SlotRange[] {
  return (reply as [number, number, [Buffer | null, number]][]).map(([from, to, [host, port]]) => {
    const name = String(host ?? "");
    return { from, to, master: { host: name === "" || name === "?" ? asked.host : name, port } };
  });
}
