import { Agent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as SecureAgent, request as requestHttps } from "node:https";

/** A deployment, asked from outside over connections that stay open. */
export interface Target {
  readonly url: URL;
  /** @throws when no answer comes: a connection that is refused or lost, or silence for ten seconds */
  ask(question: Question): Promise<Answer>;
  close(): void;
}

export interface Question {
  readonly method: "GET" | "POST" | "DELETE";
  /** begins with a slash, below the deployment's URL */
  readonly path: string;
  readonly body?: unknown;
  /** whom an admin key acts for; absent: whoever the credentials name */
  readonly user?: string | undefined;
  /** in place of the deployment's credentials */
  readonly authorization?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** from the first byte sent to the last byte read */
  readonly ms: number;
  /** `hit`, `miss` or `bypass`, of an answer with messages */
  readonly cache: string | null;
  readonly headers: IncomingMessage["headers"];
}

export interface Credentials {
  readonly key?: string | undefined;
  readonly token?: string | undefined;
}

const SILENCE_MS = 10_000;

/** @param connections at most, at the same time; each is opened when it is needed, and kept */
export function openTarget(url: URL, { key, token }: Credentials, connections: number): Target {
  const isSecure = url.protocol === "https:";
  const agent = new (isSecure ? SecureAgent : Agent)({ keepAlive: true, maxSockets: connections });
  const request = isSecure ? requestHttps : requestHttp;
  const credentials = {
    ...(key !== undefined && { "x-api-key": key }),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const base = url.pathname.replace(/\/$/, "");
  const host = url.hostname.replaceAll(/[[\]]/g, "");

  const ask = ({ method, path, body, user, authorization }: Question): Promise<Answer> => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(authorization === undefined ? credentials : { authorization }),
      ...(text !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
      ...(user !== undefined && { "x-backscroll-user": user }),
    };
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const startedAt = performance.now();
    const options = { host, port: url.port, method, path: `${base}${path}`, agent, headers, timeout: SILENCE_MS };
    const asked = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const cache = response.headers["x-backscroll-cache"];
        resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(chunks).toString(),
          ms: performance.now() - startedAt,
          cache: typeof cache === "string" ? cache : null,
          headers: response.headers,
        });
      });
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${SILENCE_MS / 1_000} s`)));
    asked.on("error", reject);
    asked.end(text);
    return promise;
  };
  return { url, ask, close: () => agent.destroy() };
}

/** @returns the problem's code, e.g. `rate_limited`; the status when the answer is no problem of Backscroll's */
export function codeOf({ status, text }: Answer): string {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === "string" ? code : String(status);
  } catch {
    return String(status);
  }
}
