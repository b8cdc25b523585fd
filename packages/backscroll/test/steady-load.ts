import { Agent, request } from "node:http";
import { mintId } from "../src/domain/ids.ts";

/** Who asks for what, over and over, until the load is stopped. */
export interface SteadyLoad {
  /** what went wrong so far: each should be none */
  readonly failures: readonly string[];
  /** how often each kind of request was answered */
  readonly answered: Readonly<Record<string, number>>;
  /** the messages that were acknowledged, by conversation */
  readonly acknowledged: ReadonlyMap<string, readonly string[]>;
  /** Asks for nothing new; resolves when everything is answered. */
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

type Ask = (method: "GET" | "POST", path: string, body?: unknown) => Promise<Answer>;

const KINDS = ["kept", "fresh", "fetch"] as const;

/**
 * Clients that keep their connection, clients that open one for each request, and browsers' `fetch`: each reads and
 * saves, and some ask for replies as a stream. None of them tries again.
 */
export async function startSteadyLoad(url: string, { clientsOfEach = 3 } = {}): Promise<SteadyLoad> {
  const failures: string[] = [];
  const answered: Record<string, number> = {};
  const acknowledged = new Map<string, string[]>();
  const agents: Agent[] = [];
  const over = new AbortController();

  const step = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      answered[name] = (answered[name] ?? 0) + 1;
    } catch (error) {
      failures.push(`${name}: ${describe(error)}`);
    }
  };
  const client = async (kind: (typeof KINDS)[number], index: number): Promise<void> => {
    const agent = new Agent({ keepAlive: kind === "kept", maxSockets: 1 });
    agents.push(agent);
    const ask: Ask = kind === "fetch" ? byFetch(url) : byHttp(url, agent);
    const id = `${kind}-${index}`;
    const messages = `/api/conversations/${id}/messages`;
    const ids: string[] = [];
    acknowledged.set(id, ids);
    expectStatus(await ask("POST", "/api/conversations", { id }), 201);
    while (!over.signal.aborted) {
      await step(`${kind} POST`, async () => {
        const message = { id: mintId(), role: "user", content: "Hello" };
        expectStatus(await ask("POST", messages, message), 201);
        ids.push(message.id);
      });
      await step(`${kind} GET`, async () => {
        const { body } = expectStatus(await ask("GET", `${messages}?limit=5`), 200);
        const newest = ids.at(-1);
        if (newest !== undefined && !body.includes(newest)) throw new Error(`${newest} is not there`);
      });
      if (index === 0) {
        await step(`${kind} turn`, async () => {
          const message_id = mintId();
          const turn = { message: "I had a dream", conversation_id: id, message_id, stream: true };
          const { body } = expectStatus(await ask("POST", "/api/conversations/messages", turn), 200);
          if (!body.includes('"type":"finish"') || !body.includes("data: [DONE]")) throw new Error(`cut: ${body}`);
          ids.push(message_id);
        });
      }
    }
  };
  const clients = KINDS.flatMap((kind) => Array.from({ length: clientsOfEach }, (_, index) => client(kind, index)));
  const all = Promise.all(clients);
  return {
    failures,
    answered,
    acknowledged,
    async stop() {
      over.abort();
      await all;
      for (const agent of agents) agent.destroy();
    },
  };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const code = "code" in error ? ` ${String(error.code)}` : "";
  return `${error.message}${code}${cause === undefined ? "" : ` (${describe(cause)})`}`;
}

function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status !== status) throw new Error(`answered ${answer.status}: ${answer.body}`);
  return answer;
}

function byFetch(url: string): Ask {
  return async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body !== undefined && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.text() };
  };
}

function byHttp(url: string, agent: Agent): Ask {
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? null : JSON.stringify(body);
      const headers = text !== null && {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
      };
      const asked = request(`${url}${path}`, { method, agent, ...(headers && { headers }) }, (response) => {
        let told = "";
        response.setEncoding("utf8").on("data", (more: string) => (told += more));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: told }));
        response.on("error", reject);
      });
      asked.on("error", reject);
      asked.end(text);
    });
}
