import { expect } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../src/domain/errors.ts";
import { STATUS } from "../src/http/errors.ts";
import type { Answer, Services } from "./services.ts";

/** Every failure has one shape: a known code with its own status, and the request's id; a replayed one the first's. */
export function expectProblem(answer: Answer, code?: ErrorCode): void {
  expect(answer.headers.get("content-type"), answer.text.slice(0, 300)).toBe("application/problem+json");
  const { errors, ...problem } = answer.json as Record<string, unknown>;
  expect(problem).toEqual({
    type: `/api/docs#error-${String(problem["code"])}`,
    title: expect.stringMatching(/^[A-Z]/),
    status: answer.status,
    detail: expect.any(String),
    code: expect.any(String),
    request_id: answer.headers.has("idempotency-replayed") ? expect.any(String) : answer.headers.get("x-request-id"),
  });
  expect(Object.keys(ERROR_CODES)).toContain(problem["code"]);
  expect(STATUS[problem["code"] as ErrorCode]).toBe(answer.status);
  if (errors !== undefined) {
    expect((errors as unknown[]).length).toBeGreaterThan(0);
    for (const error of errors as unknown[])
      expect(error).toEqual({ path: expect.any(String), message: expect.any(String) });
  }
  if (code !== undefined) expect(problem["code"], answer.text.slice(0, 500)).toBe(code);
}

/** Sends a request with any body at all: bytes that are no text, a stream without a length. */
export async function send(
  services: Services,
  path: string,
  { method = "POST", headers = {}, ...init }: Omit<RequestInit, "headers"> & { headers?: Record<string, string> },
): Promise<Answer> {
  const response = await services.fetch(
    new Request(`http://localhost${path}`, {
      ...init,
      method,
      headers: { "x-test-user": "ada@example.com", ...headers },
      ...(init.body instanceof ReadableStream && { duplex: "half" }),
    }),
  );
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}
