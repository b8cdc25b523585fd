import { ErrorReply } from "redis";
import { Breaker } from "../breaker.ts";
import { withDeadline } from "../deadline.ts";
import type { RedisLink } from "./redis-link.ts";

/** A link for whoever can do without it at any time. */
export interface BoundedLink extends Pick<RedisLink, "send"> {
  /** whether the server of this key is known not to answer: `send` then refuses at once */
  isAway(key: string): boolean;
  /** Ends the probes; the link itself stays. */
  close(): void;
}

/** No call takes longer than the deadline, and none is made while its server does not answer. */
export function boundLink(link: RedisLink, deadlineMs: number): BoundedLink {
  const breakers = new Map<string, Breaker>();
  const breakerOf = (key: string): Breaker => {
    const node = link.node(key);
    const known = breakers.get(node.name);
    if (known) return known;
    const breaker = new Breaker(
      () => node.ping(),
      deadlineMs,
      () => undefined,
    );
    breakers.set(node.name, breaker);
    return breaker;
  };
  return {
    isAway: (key) => breakerOf(key).isOpen,
    async send(key, args) {
      const breaker = breakerOf(key);
      if (breaker.isOpen) throw new Error("Redis does not answer");
      try {
        const reply = await withDeadline(link.send(key, args), deadlineMs);
        breaker.succeeded();
        return reply;
      } catch (error) {
        // Who says no is there.
        if (error instanceof ErrorReply) breaker.succeeded();
        else breaker.failed();
        throw error;
      }
    },
    close() {
      for (const breaker of breakers.values()) breaker.close();
    },
  };
}
