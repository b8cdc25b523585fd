import { HeldSlots } from "../held-slots.ts";
import type { StreamSlots } from "../stream-slots.ts";

/** Stream slots for a server that is alone. */
export function createMemoryStreamSlots(): StreamSlots {
  const held = new HeldSlots();
  let opened = 0;
  return {
    open: async (userId, max) => (held.count(userId) < max ? held.hold(userId, String((opened += 1))) : null),
  };
}
