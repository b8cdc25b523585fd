import type { CacheNode } from "../../src/cache/conversation-cache.ts";
import type { RedisLink } from "../../src/cache/redis/redis-link.ts";
import { acting } from "./actor.ts";
import type { Outcome, Schedule } from "./explorer.ts";

/** What one command to Redis is to the protocol. */
export type Call = "read" | "lease" | "fill" | "append" | "invalidate" | "version" | "scan" | "unlink" | "ping";

/** `lost`: not done, and the caller told so; `unheard`: done, but the caller told it failed; `late`: the same, done later */
type Fault = "lost" | "unheard" | "late";

/** @returns how a call may end; as it should when undefined */
export type Ends = (call: Call, actor: string) => readonly ("done" | Fault)[] | undefined;

export interface LinkPlan {
  /** calls whose reply travels: they are done in one step and answered in another */
  readonly split?: (call: Call, actor: string) => boolean;
  readonly ends?: Ends;
  /** failures in one interleaving at most, 1 when it is not said */
  readonly faultsMax?: number;
}

export interface ChosenLinkOptions {
  readonly link: RedisLink;
  readonly schedule: Schedule;
  readonly plan: LinkPlan;
  readonly scripts: ReadonlyMap<string, "append" | "fill">;
  /** shared by the links of one interleaving */
  readonly faults: { left: number };
}

type Send = RedisLink["send"];

/** A server's way to a real Redis, on which every command waits to be chosen. */
export function chosenLink(name: string, options: ChosenLinkOptions): RedisLink & { reconnected(): void } {
  const { link, schedule } = options;
  const node: CacheNode & { incarnation: object } = {
    name: "redis",
    incarnation: {},
    ping: () => schedule.step(`${name}: ping`, () => undefined),
  };
  const send: Send = (key, args) => {
    // They decide how long a key lives, and nobody lives that long here.
    if (args[0] === "PEXPIRE") return link.send(key, args);
    return sendChosen(name, options, key, args);
  };
  return {
    node: () => node,
    send,
    sendToAll: async (run) => [await run((args) => send("", args))],
    close: () => undefined,
    reconnected() {
      node.incarnation = {};
    },
  };
}

function sendChosen(
  server: string,
  { link, schedule, plan, scripts, faults }: ChosenLinkOptions,
  key: string,
  args: readonly (string | Buffer)[],
): Promise<unknown> {
  const call = callOf(args, scripts);
  const actor = acting.getStore()?.name ?? server;
  const label = `${actor}: ${call}`;
  const perform = async (): Promise<{ reply: unknown; said: string }> => {
    const found = await link.send(key, args);
    const reply = call === "scan" ? inOrder(found as [Buffer, Buffer[]]) : found;
    return { reply, said: describe(call, reply, args) };
  };

  const done: Outcome<unknown> = {
    label: "",
    async take({ resolve }) {
      const { reply, said } = await perform();
      if (plan.split?.(call, actor)) schedule.possibly(`${label} is answered`, () => resolve(reply));
      else resolve(reply);
      return said;
    },
  };
  const failing = (fault: Fault): Outcome<unknown> => ({
    label: FAULTS[fault],
    async take({ reject }) {
      faults.left -= 1;
      reject(new Error("no answer"));
      if (fault === "unheard") return (await perform()).said;
      if (fault === "late") schedule.possibly(`${label} is done late`, async () => void (await perform()));
      return "";
    },
  });
  // Asked when one is chosen: another may have used up the faults meanwhile.
  const ends = (): Outcome<unknown>[] => {
    const planned = faults.left > 0 ? plan.ends?.(call, actor) : undefined;
    return (planned ?? ["done"]).map((end) => (end === "done" ? done : failing(end)));
  };
  return schedule.fork(label, ends);
}

/** In which order Redis finds keys is by chance; in which order they are unlinked is chosen. */
function inOrder([cursor, keys]: [Buffer, Buffer[]]): [Buffer, Buffer[]] {
  return [cursor, keys.toSorted((a, b) => Buffer.compare(a, b))];
}

const FAULTS = { lost: "fails", unheard: "is done, but fails", late: "fails, and is not done yet" } as const;

function callOf([command, first]: readonly (string | Buffer)[], scripts: ChosenLinkOptions["scripts"]): Call {
  const script = command === "EVALSHA" ? scripts.get(String(first)) : undefined;
  const call = script ?? CALLS[String(command)];
  if (!call) throw new Error(`what is ${String(command)} to the protocol?`);
  return call;
}

const CALLS: Readonly<Record<string, Call>> = {
  LRANGE: "read",
  SET: "lease",
  DEL: "invalidate",
  GET: "version",
  SCAN: "scan",
  UNLINK: "unlink",
};

function describe(call: Call, reply: unknown, args: readonly (string | Buffer)[]): string {
  switch (call) {
    case "read":
      return (reply as Buffer[]).length === 0 ? "nothing" : (reply as Buffer[]).map(String).join(" ");
    case "lease":
      return reply === null ? "taken" : "another's";
    case "fill":
      return Number(reply) === 1 ? "installed" : "refused";
    case "append":
      return Number(reply) === 1 ? "extended" : Number(reply) === 0 ? "ignored" : "dropped";
    case "version":
      return reply === null ? "nothing" : (reply as Buffer).toString();
    case "unlink":
      return String(args[1]).replace(/^.*:/, "");
    case "invalidate":
    case "scan":
    case "ping":
      return "";
  }
}
