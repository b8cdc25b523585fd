import { Gauge, type Registry } from "prom-client";
import type { LocatedLink } from "./redis-link.ts";

/** Says at `/metrics` from now on whether a link is connected. */
export type WatchLink = (name: "cache" | "live", link: LocatedLink) => void;

export function createLinkMetrics(registry: Registry): WatchLink {
  const links = new Map<string, LocatedLink>();
  const gauge: Gauge = new Gauge({
    name: "backscroll_redis_up",
    help: "1 while every server of Redis that holds keys is connected to, by what the link is for",
    labelNames: ["link"],
    aggregator: "min",
    registers: [registry],
    collect() {
      for (const [link, { isOpen }] of links) gauge.set({ link }, Number(isOpen));
    },
  });
  return (name, link) => void links.set(name, link);
}
