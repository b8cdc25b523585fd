import { BackscrollError, type ErrorCode } from "../domain/errors.ts";
import type { Deps } from "./deps.ts";

/** `refused`: the caller asked for what cannot be, or may not; `failed`: it is this service's fault, or of what it stands on */
export type OperationResult = "ok" | "refused" | "failed";

interface ObserveOptions {
  /** it takes as long as there is much to do: being slow says nothing */
  readonly isLong?: boolean;
}

/** Not the caller's fault: what `http/errors.ts` answers with 500 and more. */
const FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "identity_provider_unavailable",
  "responder_failed",
  "responder_rate_limited",
  "responder_timeout",
  "responder_refused",
  "reply_interrupted",
  "database_unavailable",
  "shutting_down",
  "internal",
]);

export function resultOf(error: unknown): OperationResult {
  return error instanceof BackscrollError && !FAULTS.has(error.code) ? "refused" : "failed";
}

/** Does what somebody asks of the service: its time is counted, logged, and a span of the trace. */
export async function observe<Result>(
  deps: Deps,
  operation: string,
  work: () => Promise<Result>,
  { isLong = false }: ObserveOptions = {},
): Promise<Result> {
  const startedAt = performance.now();
  const end = (result: OperationResult, code?: ErrorCode): void => {
    const ms = performance.now() - startedAt;
    deps.metrics.operation(operation, result, ms);
    const { slowOperationMs } = deps.settings;
    const isSlow = slowOperationMs > 0 && ms >= slowOperationMs && !isLong;
    const fields = { operation, ms: Math.round(ms * 100) / 100, result, ...(code && { code }) };
    const told = `${operation} ${result === "ok" ? "completed" : result} in ${ms.toFixed(2)} ms`;
    if (isSlow) deps.log.warn(fields, told);
    else deps.log.debug(fields, told);
  };
  try {
    const result = await deps.tracer.span(operation, {}, work);
    end("ok");
    return result;
  } catch (error) {
    end(resultOf(error), error instanceof BackscrollError ? error.code : undefined);
    throw error;
  }
}

type UseCase = (deps: Deps, ...rest: never[]) => Promise<unknown>;

/** @returns the same use case, observed */
export function observed<Case extends UseCase>(operation: string, useCase: Case, options?: ObserveOptions): Case {
  const asked: UseCase = (deps, ...rest) => observe(deps, operation, () => useCase(deps, ...rest), options);
  return asked as Case;
}
