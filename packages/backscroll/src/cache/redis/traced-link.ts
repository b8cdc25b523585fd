import type { Tracer } from "../../tracing/tracer.ts";
import type { RedisLink } from "./redis-link.ts";

/** The same link, whose calls are spans: by their command, and never its arguments. */
export function traceLink(link: RedisLink, tracer: Tracer): RedisLink {
  return {
    node: (key) => link.node(key),
    send(key, args) {
      const command = String(args[0]);
      // https://opentelemetry.io/docs/specs/semconv/database/redis/
      const attributes = {
        "db.system.name": "redis",
        "db.operation.name": command,
        "server.address": link.node(key).name,
      };
      return tracer.span(command, { kind: "client", attributes }, () => link.send(key, args));
    },
    sendToAll: (run) => link.sendToAll(run),
    close: () => link.close(),
  };
}
