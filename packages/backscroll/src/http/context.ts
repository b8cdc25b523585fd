import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import type { UserName } from "../domain/user.ts";
import type { Caller } from "./auth.ts";
import type { Deps } from "../service/deps.ts";
import type { ErrorCode } from "../domain/errors.ts";
import type { MessagesSlice } from "../service/history.ts";
import type { StreamEnd } from "./event-stream.ts";
import type { RateLimit } from "./limits.ts";

/** What every request carries. */
export interface Variables {
  requestId: string;
  deps: Deps;
  /** what every answer tells browsers */
  securityHeaders: Readonly<Record<string, string>>;
  /** the answer has what every answer carries */
  hasCommonHeaders: boolean;
  /** who sent it */
  caller: Caller;
  /** @returns whether its credentials are still good, for an answer that goes on; they are while nobody can tell */
  isStillIn: () => Promise<boolean>;
  /** where it comes from, as limits count it; null when nobody tells. Absent without limits */
  address: string | null;
  /** what was spent for it; absent without limits */
  rateLimit: RateLimit | undefined;
  /** whose history it is about */
  user: { readonly id: number; readonly name: UserName };
  /** set where sessions are kept in a cookie: the conversation that it is to name */
  sessionConversation: string | undefined;
  /** its template; set once it has been looked for */
  route: string | undefined;
  /** set by a read: where its answer came from */
  readSource: MessagesSlice["source"] | undefined;
  /** set by what failed: how it is answered, and what its line in the log says of it */
  failure: { readonly code: ErrorCode; readonly logged: object } | undefined;
  /** set by a streamed answer: how it ended, once it has */
  streamEnd: Promise<StreamEnd> | undefined;
  /** set when the request has an Idempotency-Key: what it creates takes its ids from it */
  idempotencySeed: string | undefined;
}

export type App = OpenAPIHono<{ Variables: Variables }>;
export type Context = HonoContext<{ Variables: Variables }>;
