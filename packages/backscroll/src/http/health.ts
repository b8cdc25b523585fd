import { createRoute, z } from "@hono/zod-openapi";
import { BackscrollError } from "../domain/errors.ts";
import { checkHealth } from "../service/health.ts";
import type { App } from "./context.ts";
import { json } from "./json.ts";
import { Problem } from "./schemas.ts";

const live = createRoute({
  method: "get",
  path: "/livez",
  operationId: "livez",
  security: [],
  summary: "The process lives",
  responses: { 200: { description: "It does", ...json(z.object({ status: z.literal("ok") })) } },
});

const ready = createRoute({
  method: "get",
  path: "/readyz",
  operationId: "readyz",
  security: [],
  summary: "PostgreSQL answers, and the service is not stopping; without its cache it is degraded, and ready",
  responses: {
    200: {
      description: "Send requests",
      ...json(
        z.object({
          status: z.enum(["ok", "degraded"]),
          postgres: z.literal("ok"),
          cache: z.enum(["ok", "unavailable", "off"]),
        }),
      ),
    },
    503: {
      description: "`database_unavailable`, `shutting_down`",
      content: { "application/problem+json": { schema: Problem } },
    },
  },
});

export function healthRoutes(app: App): void {
  app.openapi(live, (c) => c.json({ status: "ok" as const }, 200));

  let checking: ReturnType<typeof checkHealth> | null = null;
  app.openapi(ready, async (c) => {
    const { deps } = c.var;
    if (deps.draining.aborted) {
      throw new BackscrollError("shutting_down", "the service is stopping", { retryAfterSeconds: 1 });
    }
    // Anybody may ask, as often as they like: all together they take one connection.
    checking ??= checkHealth(deps).finally(() => (checking = null));
    const { cache } = await checking;
    const status = cache === "unavailable" ? "degraded" : "ok";
    return c.json({ status, postgres: "ok" as const, cache } as const, 200);
  });
}
