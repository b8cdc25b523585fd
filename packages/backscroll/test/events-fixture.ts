import { onTestFinished } from "vitest";
import type { Services } from "./services.ts";

/** One event of `GET /api/events`. */
interface TabEvent {
  readonly id: string;
  readonly type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test looks into it as it likes
  readonly data: any;
}

/** Another tab of a user: what it has heard so far. */
export interface Tab {
  readonly status: number;
  readonly headers: Headers;
  readonly events: readonly TabEvent[];
  /** without the first event, `ready` */
  readonly heard: readonly TabEvent["data"][];
  /** as they came, comments and all */
  readonly text: string;
  /** to come back with */
  readonly cursor: string;
  /** resolves when the server has ended the stream */
  readonly ended: Promise<void>;
  /** Goes away. */
  readonly close: () => Promise<void>;
}

/** Opens `GET /api/events` without a socket. @returns once the first event has come; it goes with the test */
export async function openTab(
  services: Services,
  user: string,
  { query = "", headers = {} }: { query?: string; headers?: Record<string, string> } = {},
): Promise<Tab> {
  const request = new Request(`http://localhost/api/events${query}`, { headers: { "x-test-user": user, ...headers } });
  const response = await services.fetch(request);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) throw new Error("an event stream has a body");
  const events: TabEvent[] = [];
  let text = "";
  let parsed = 0;
  const first = Promise.withResolvers<void>();
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
      for (let end = text.indexOf("\n\n", parsed); end !== -1; end = text.indexOf("\n\n", parsed)) {
        const event = parseEvent(text.slice(parsed, end));
        if (event) events.push(event);
        parsed = end + 2;
      }
      if (events.length > 0) first.resolve();
    }
  };
  const ended = read().finally(first.resolve);
  const close = (): Promise<void> => reader.cancel();
  onTestFinished(close);
  await first.promise;
  return {
    status: response.status,
    headers: response.headers,
    events,
    get heard() {
      return events.slice(1).map(({ data }) => data);
    },
    get text() {
      return text;
    },
    get cursor() {
      return events.at(-1)?.id ?? "";
    },
    ended,
    close,
  };
}

/** @returns null for what has no data: a comment, `retry` */
function parseEvent(block: string): TabEvent | null {
  const fields = new Map(block.split("\n").map((line) => /^(\w*): ?(.*)$/.exec(line)?.slice(1) as [string, string]));
  const data = fields.get("data");
  return data === undefined
    ? null
    : { id: fields.get("id") ?? "", type: fields.get("event") ?? "", data: JSON.parse(data) };
}
