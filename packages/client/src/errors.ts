import type { ErrorCode } from "./error-codes.ts";
import type { Problem } from "./types.ts";

/** One thing wrong with a request: where, and what to change. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** The service, or something in front of it, answered with an error: read `code`. */
export class BackscrollApiError extends Error {
  override readonly name = "BackscrollApiError";
  readonly status: number;
  readonly code: ErrorCode;
  /** for people: what to change */
  readonly detail: string;
  /** names the request in the service's log */
  readonly requestId: string | undefined;
  /** each invalid field; empty unless `code` is `invalid_request` */
  readonly errors: readonly FieldError[];
  /** when the service expects a retry to make sense */
  readonly retryAfterSeconds: number | undefined;

  constructor(answer: {
    readonly status: number;
    readonly code: ErrorCode;
    readonly detail: string;
    readonly requestId?: string | undefined;
    readonly errors?: readonly FieldError[] | undefined;
    readonly retryAfterSeconds?: number | undefined;
  }) {
    const request = answer.requestId === undefined ? "" : ` (request ${answer.requestId})`;
    super(`${answer.status} ${answer.code}: ${answer.detail}${request}`);
    this.status = answer.status;
    this.code = answer.code;
    this.detail = answer.detail;
    this.requestId = answer.requestId;
    this.errors = answer.errors ?? [];
    this.retryAfterSeconds = answer.retryAfterSeconds;
  }
}

/** No answer, or half of one: the network failed, or the time was up. Whether the service did it is unknown. */
export class BackscrollConnectionError extends Error {
  override readonly name = "BackscrollConnectionError";
  /** true: `timeoutMs` passed */
  readonly timedOut: boolean;

  constructor(message: string, { timedOut = false, ...options }: ErrorOptions & { readonly timedOut?: boolean } = {}) {
    super(message, options);
    this.timedOut = timedOut;
  }
}

const EXCERPT_CHARS = 200;

/** @returns that an answer which began as the service's went on as something else */
export function unreadableAnswer(what: string): BackscrollApiError {
  const detail = `this is not an answer of Backscroll: ${what}`;
  return new BackscrollApiError({ status: 200, code: "unreadable_answer", detail });
}

/** @returns the error that an answer tells of, whoever wrote the answer */
export function toApiError(response: Response, text: string): BackscrollApiError {
  const { status, headers } = response;
  const problem = parseProblem(text);
  return new BackscrollApiError({
    status,
    code: problem?.code ?? "unreadable_answer",
    detail: problem ? (problem.detail ?? problem.code) : `this is not an answer of Backscroll: ${excerpt(text)}`,
    requestId: problem?.request_id ?? headers.get("x-request-id") ?? undefined,
    errors: problem?.errors,
    retryAfterSeconds: parseRetryAfter(headers.get("retry-after")),
  });
}

type AnyProblem = Pick<Problem, "code"> & Partial<Problem>;

function parseProblem(text: string): AnyProblem | null {
  try {
    const value: unknown = JSON.parse(text);
    const isProblem = typeof value === "object" && value !== null && "code" in value && typeof value.code === "string";
    return isProblem ? (value as AnyProblem) : null;
  } catch {
    return null;
  }
}

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  if (line === "") return "the body is empty";
  return line.length > EXCERPT_CHARS ? `${line.slice(0, EXCERPT_CHARS)}…` : line;
}

/** @returns undefined when the header is absent or says nothing; it holds seconds or a date (RFC 9110, 10.2.3) */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value);
  const seconds = (Date.parse(value) - Date.now()) / 1_000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
