import { createRoute, z } from "@hono/zod-openapi";
import { type Identity, toIdentity, type UserName } from "../domain/user.ts";
import { type Erasure, eraseUserAgain } from "../service/erase-user.ts";
import { people } from "../service/use-cases.ts";
import type { AnswerErased, Caller } from "./auth.ts";
import type { App } from "./context.ts";
import { json, problems } from "./json.ts";
import * as schema from "./schemas.ts";

export const MeShape = {
  issuer: z.string(),
  subject: z.string(),
  email: z.string().nullable(),
  is_admin: z.boolean().openapi({ description: "The caller sees what only admins see" }),
  logged_in: z.boolean().openapi({ description: "By cookie: `POST /api/logout` ends it" }),
};

/** @returns the person whose history it is, and what whoever asks may do */
export function toMe(
  name: UserName,
  { isAdmin, isLogin }: Pick<Caller, "isAdmin" | "isLogin">,
): Identity & { is_admin: boolean; logged_in: boolean } {
  const { issuer, subject, email } = toIdentity(name);
  return { issuer, subject, email, is_admin: isAdmin, logged_in: isLogin };
}

const me = createRoute({
  method: "get",
  path: "/api/me",
  operationId: "getMe",
  summary: "Who am I",
  responses: {
    200: {
      description: "The caller, or whom a backend's key acts for",
      ...json(z.object(MeShape).openapi("Me")),
    },
    ...problems(),
  },
});

const eraseMe = createRoute({
  method: "delete",
  path: "/api/me",
  operationId: "eraseMe",
  summary: "Erase a person and all that they have, for good",
  description:
    "Conversations, the trash, sessions, usage, keys and logins; nobody brings them back: `GET /api/me/export` first. " +
    "Credentials from before are refused for a day (`user_erased`); with new ones the same person begins anew. " +
    "Asked for again, with a token from before, it answers 200 again, and finishes what may have broken off.",
  responses: {
    200: {
      description: "Nothing is left",
      ...json(
        z
          .object({
            erased: z.literal(true),
            conversations: z.int().openapi({ description: "those in the trash too; 0 when it was asked for again" }),
            messages: z.int(),
          })
          .openapi("Erased"),
      ),
    },
    ...problems(),
  },
});

const usage = createRoute({
  method: "get",
  path: "/api/usage",
  operationId: "getUsage",
  summary: "Messages and tokens per day, role and model",
  description: "At most 366 days; by default the last 30. Messages deleted since then are counted.",
  request: { query: z.strictObject({ from: schema.Day.optional(), to: schema.Day.optional() }) },
  responses: {
    200: {
      description: "The days on which anything was said",
      ...json(
        z
          .object({
            from: z.string(),
            to: z.string(),
            days: z.array(
              z.object({
                day: z.string(),
                role: z.string(),
                model: z.string().nullable(),
                messages: z.int(),
                tokens_used: z.int(),
              }),
            ),
          })
          .openapi("Usage"),
      ),
    },
    ...problems(),
  },
});

/** Erasing is idempotent: who was erased, or just now is, and asks for it again, is told so. */
export const answerErased: AnswerErased = async (c, name) => {
  if (c.req.method !== "DELETE" || c.req.path !== eraseMe.path) return null;
  return c.json(toErased(await eraseUserAgain(c.var.deps, name)));
};

function toErased({ conversations, messages }: Erasure): { erased: true; conversations: number; messages: number } {
  return { erased: true, conversations, messages };
}

export function meRoutes(app: App): void {
  app.openapi(eraseMe, async (c) => {
    const { deps, user, caller } = c.var;
    return c.json(toErased(await people.eraseUser(deps, { userId: user.id, actor: caller.actor })), 200);
  });

  app.openapi(me, (c) => c.json(toMe(c.var.user.name, c.var.caller), 200));

  app.openapi(usage, async (c) => {
    const found = await people.getUsage(c.var.deps, c.var.user.id, c.req.valid("query"));
    const days = found.days.map(({ tokensUsed, ...day }) => ({ ...day, tokens_used: tokensUsed }));
    return c.json({ from: found.from, to: found.to, days }, 200);
  });
}
