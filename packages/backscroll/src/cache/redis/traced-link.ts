import { type Attributes, NO_TRACER, type Tracer } from "../../tracing/tracer.ts";
import type { RedisLink } from "./redis-link.ts";

/** The same link, whose calls are spans: by their command, and never its arguments. */
export function traceLink(link: RedisLink, tracer: Tracer): RedisLink {
  if (tracer === NO_TRACER) return link;
  return {
    node: (key) => link.node(key),
    send(key, args) {
      const command = String(args[0]);
      // https://opentelemetry.io/docs/specs/semconv/database/redis/
      const system = { "db.system.name": "redis", "db.operation.name": command };
      const attributes = { ...system, ...addressOf(link.node(key).name) };
      return tracer.span(command, { kind: "client", attributes }, () => link.send(key, args));
    },
    sendToAll: (run) => link.sendToAll(run),
    close: () => link.close(),
  };
}

/** @param name a server's, or of a master that Sentinels have not told the address of yet */
function addressOf(name: string): Attributes {
  const [, host, port] = /^(.*):(\d+)$/.exec(name) ?? [];
  return host === undefined ? { "server.address": name } : { "server.address": host, "server.port": Number(port) };
}
