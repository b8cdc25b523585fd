import { BackscrollError } from "./errors.ts";

/** An error as a log line may hold it. */
interface LoggedError {
  readonly type: string;
  readonly message: string;
  /** of PostgreSQL, Node.js or this service; what a database's error is about beside that quotes rows */
  readonly code?: string;
  readonly constraint?: string;
  /** where, without the message */
  readonly stack: string;
  readonly cause?: LoggedError;
}

const CAUSES_MAX = 5;

/**
 * What a log line says of a bug. Never what an error carries along: PostgreSQL's `detail` quotes rows, Node.js' `input`
 * a URL with its password, a provider's error the whole prompt.
 */
export function loggedError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: logText(error), stack: "" };
  const code = textAt(error, "code");
  const constraint = textAt(error, "constraint");
  return {
    type: error.name,
    message: logText(error),
    ...(code !== undefined && { code }),
    ...(constraint !== undefined && { constraint }),
    stack: framesOf(error),
    ...(error.cause !== undefined && depth < CAUSES_MAX && { cause: loggedError(error.cause, depth + 1) }),
  };
}

/** @returns an error's message for a log line, without what it quotes of anybody's data */
export function logText(error: unknown): string {
  // Whoever throws text may throw anybody's.
  if (!(error instanceof Error)) return `a thrown ${typeof error}`;
  if (error instanceof AggregateError && error.message === "") return error.errors.map(logText).join("; ");
  if (error instanceof BackscrollError) return error.message;
  if (quotesData(error)) return [error.name, textAt(error, "code")].filter((part) => part !== undefined).join(" ");
  return error.message.replace(REDIS_ARGUMENTS, "");
}

/** Redis repeats what it did not understand. */
const REDIS_ARGUMENTS = /,? with args beginning with:.*/s;
/** "Data exception": `invalid input syntax for type integer: "…"`. */
const PG_DATA_EXCEPTION = /^22[0-9A-Z]{3}$/;

/** JSON.parse and Zod quote what they were given, and so does PostgreSQL. */
function quotesData(error: Error): boolean {
  if (error instanceof SyntaxError || /^\$?ZodError$/.test(error.name)) return true;
  return "severity" in error && PG_DATA_EXCEPTION.test(textAt(error, "code") ?? "");
}

/** What stands behind the message, which may have lines that look like these. */
function framesOf({ stack = "", message }: Error): string {
  const said = stack.indexOf(message);
  const at = said === -1 ? -1 : stack.indexOf("\n    at ", said + message.length);
  return at === -1 ? "" : stack.slice(at + 1);
}

function textAt(error: Error, name: string): string | undefined {
  const value: unknown = Reflect.get(error, name);
  return typeof value === "string" ? value : undefined;
}
