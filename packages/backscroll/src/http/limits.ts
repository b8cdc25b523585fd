import type { MiddlewareHandler } from "hono";
import { Counter, type Registry } from "prom-client";
import { BackscrollError } from "../domain/errors.ts";
import { BUDGET_WINDOW_MS, type Spending } from "../live/budgets.ts";
import type { StreamSlot } from "../live/stream-slots.ts";
import type { Deps } from "../service/deps.ts";
import type { Caller } from "./auth.ts";
import { clientAddress, type ConnectionInfo } from "./client-address.ts";
import type { Context, Variables } from "./context.ts";

/** What a request costs. */
type Kind = "reads" | "writes" | "turns";

export interface LimitOptions {
  /** requests a minute */
  readonly perUser: Readonly<Record<Kind, number>>;
  readonly perAddress: Readonly<Record<Kind, number>>;
  /** requests a minute from one address whose credentials are missing, wrong or refused */
  readonly failedLogins: number;
  /** that are open at once */
  readonly streamsPerUser: number;
  /** how many proxies stand in front */
  readonly trustProxy: number;
}

/** One budget of everybody's, as `RateLimit-Policy` names it. */
interface Policy {
  readonly name: string;
  readonly max: number;
}

/** What an answer says of the tightest budget that its request was counted by. */
export interface RateLimit extends Spending {
  readonly policy: Policy;
}

/** Takes one of the user's streams. @throws {BackscrollError} too_many_streams */
export type OpenStream = (c: Context) => Promise<StreamSlot>;

type Middleware = MiddlewareHandler<{ Variables: Variables }>;

export interface Limits {
  /** refuses an address that failed too often before its credentials are looked at, and counts those that fail */
  readonly failedLogins: Middleware;
  /** counts by address, for what knows no user yet */
  readonly byAddress: Middleware;
  /** counts by address and user */
  readonly byCaller: Middleware;
  readonly openStream: OpenStream;
}

const WINDOW_S = BUDGET_WINDOW_MS / 1_000;
/** Nobody knows when one will be closed; what a dead server held lapses within a minute. */
const STREAM_RETRY_S = 10;
/** unauthenticated, and what good credentials do not allow: nobody else would count it */
const REFUSED: ReadonlySet<number> = new Set([401, 403]);
const TURNS: ReadonlySet<string> = new Set(["/api/chat", "/api/conversations/messages"]);

/**
 * Budgets for reads, writes and turns, of users and of the addresses they come from. A request counts when it comes,
 * whatever becomes of it. An admin key is a backend's: who it acts for is counted, its address is not.
 */
export function createLimits({ live, log }: Deps, options: LimitOptions, registry: Registry): Limits {
  const { perUser, perAddress, streamsPerUser, trustProxy } = options;
  const policies = {
    user: policiesOf(perUser),
    address: policiesOf(perAddress, "address_"),
    failedLogins: { name: "failed_logins", max: options.failedLogins },
  };
  const refusals = new Counter({
    name: "backscroll_rate_limited_total",
    help: "Requests answered 429, by the budget that was spent",
    labelNames: ["policy"],
    registers: [registry],
  });
  const policyNames = [policies.user, policies.address].flatMap((kinds) =>
    Object.values(kinds).map(({ name }) => name),
  );
  for (const policy of [...policyNames, policies.failedLogins.name, "streams"]) refusals.inc({ policy }, 0);
  let toldOfProxy = false;

  const check = (c: Context, policy: Policy, spending: Spending): void => {
    const before = c.get("rateLimit");
    if (!spending.allowed || before === undefined || spending.left < before.left) {
      c.set("rateLimit", { ...spending, policy });
    }
    if (spending.allowed) return;
    refusals.inc({ policy: policy.name });
    if (policy !== policies.user[kindOf(c)] && trustProxy === 0 && !toldOfProxy && c.req.header("x-forwarded-for")) {
      toldOfProxy = true;
      log.warn(
        {},
        "an address is over its limit, and names another in x-forwarded-for: behind a proxy set TRUST_PROXY",
      );
    }
    throw rateLimited(policy, spending);
  };
  const spendOfAddress = async (c: Context): Promise<void> => {
    const address = c.get("address");
    if (address === null) return;
    const policy = policies.address[kindOf(c)];
    check(c, policy, await live.budgets.spend(keyOf(policy, address), policy.max));
  };

  return {
    async failedLogins(c, next) {
      const address = clientAddress(c.req.raw.headers, c.env as ConnectionInfo | undefined, trustProxy);
      c.set("address", address);
      if (address === null) return next();
      const policy = policies.failedLogins;
      const key = keyOf(policy, address);
      const found = await live.budgets.look(key, policy.max);
      if (!found.allowed) check(c, policy, found);
      await next();
      const gotIn = (c.get("caller") as Caller | undefined) !== undefined;
      if (!gotIn && REFUSED.has(c.res.status)) await live.budgets.spend(key, policy.max);
    },
    async byAddress(c, next) {
      await spendOfAddress(c);
      await next();
    },
    async byCaller(c, next) {
      if (!c.get("caller").mayActForOthers) await spendOfAddress(c);
      const policy = policies.user[kindOf(c)];
      check(c, policy, await live.budgets.spend(keyOf(policy, c.get("user").id), policy.max));
      await next();
    },
    async openStream(c) {
      // Its body is never made, so nobody would give the slot back.
      if (c.req.method === "HEAD") return NO_SLOT;
      const slot = await live.slots.open(c.get("user").id, streamsPerUser);
      if (slot) return slot;
      refusals.inc({ policy: "streams" });
      throw new BackscrollError(
        "too_many_streams",
        `${streamsPerUser} event streams of this user are open: close one of them`,
        { retryAfterSeconds: STREAM_RETRY_S },
      );
    },
  };
}

const NO_SLOT: StreamSlot = { release: () => undefined };

/** For a service without limits. */
export async function openAnyStream(): Promise<StreamSlot> {
  return NO_SLOT;
}

function policiesOf(budgets: Readonly<Record<Kind, number>>, prefix = ""): Readonly<Record<Kind, Policy>> {
  const policy = (kind: Kind): Policy => ({ name: `${prefix}${kind}`, max: budgets[kind] });
  return { reads: policy("reads"), writes: policy("writes"), turns: policy("turns") };
}

function kindOf({ req: { method, path } }: Context): Kind {
  if (method === "GET" || method === "HEAD") return "reads";
  return method === "POST" && TURNS.has(path) ? "turns" : "writes";
}

function keyOf({ name }: Policy, of: string | number): string {
  return `${name}:${of}`;
}

function rateLimited({ name, max }: Policy, { resetsInMs }: Spending): BackscrollError {
  const seconds = secondsOf(resetsInMs);
  return new BackscrollError(
    "rate_limited",
    `${max} ${name} a minute are allowed, and spent: try again in ${seconds} s`,
    { retryAfterSeconds: seconds },
  );
}

/** Never 0: that would be too early. */
function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

/** The headers of draft-ietf-httpapi-ratelimit-headers-10, of one policy: the one with the least left. */
export function rateLimitHeaders({ policy: { name, max }, left, resetsInMs }: RateLimit): Record<string, string> {
  return {
    "ratelimit-policy": `"${name}";q=${max};w=${WINDOW_S}`,
    ratelimit: `"${name}";r=${left};t=${secondsOf(resetsInMs)}`,
  };
}
