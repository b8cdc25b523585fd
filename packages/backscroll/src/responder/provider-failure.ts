import { APICallError, LoadAPIKeyError, RetryError } from "ai";
import { connectionFailure, rateLimited, refused } from "./failure.ts";
import { ResponderError } from "./responder.ts";

/**
 * Maps what a provider of the AI SDK threw. The message holds the status and the provider's error code only,
 * and there is no `cause`: their messages quote prompts and parts of keys, and their errors carry the whole request.
 *
 * @param who the responder's description
 */
export function providerFailure(thrown: unknown, who: string): ResponderError {
  const error = RetryError.isInstance(thrown) ? thrown.lastError : thrown;
  if (error instanceof ResponderError) return error;
  if (LoadAPIKeyError.isInstance(error)) return new ResponderError("failed", `${who} has no API key`);
  if (APICallError.isInstance(error)) return callFailure(error, who);

  const code = findCode(error);
  // a stream that began with 200 reports its limit as an event
  if (code?.startsWith("rate_limit") === true) return rateLimited(`${who} is rate limited (${code})`, undefined);
  if (isRefusal(code)) return refused(who, ` (${code})`);
  if (code !== undefined) return new ResponderError("failed", `${who} reported an error (${code})`);
  const name = error instanceof Error && /^[A-Za-z_]{1,64}$/.test(error.name) ? ` with ${error.name}` : "";
  return connectionFailure(error, `${who} failed${name}`);
}

function callFailure(error: APICallError, who: string): ResponderError {
  const { statusCode, responseHeaders } = error;
  if (statusCode === undefined) return connectionFailure(error, `cannot reach ${who} at ${originOf(error.url)}`);
  const code = findCode(error.data) ?? findCode(parse(error.responseBody));
  const said = code === undefined ? "" : ` (${code})`;
  if (statusCode === 429) return rateLimited(`${who} is rate limited${said}`, responseHeaders?.["retry-after"]);
  if (isRefusal(code)) return refused(who, said);
  if (statusCode >= 200 && statusCode < 300)
    return new ResponderError("failed", `the reply of ${who} is not what its protocol says`);
  return new ResponderError("failed", `${who} answered ${statusCode}${said}`);
}

/** A filter that looks at the prompt answers 400: Azure's `content_filter`, OpenAI's `content_policy_violation`. */
function isRefusal(code: string | undefined): boolean {
  return code === "content_filter" || code === "content_policy_violation";
}

/**
 * The code in an error body of OpenAI (`{error: {code, type}}`), Anthropic (`{error: {type}}`) and those who follow them.
 * Only what looks like an identifier counts: anything longer might be a sentence, and quote somebody.
 */
function findCode(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  if ("error" in body && typeof body.error === "object") return findCode(body.error);
  for (const value of ["code" in body ? body.code : undefined, "type" in body ? body.type : undefined]) {
    if (typeof value === "string" && /^[a-z][a-z_]{2,63}$/.test(value)) return value;
  }
  return undefined;
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null; // a proxy's HTML page: the status says enough
  }
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "its address";
}
