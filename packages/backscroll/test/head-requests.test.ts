import { expect } from "vitest";
import { eventually } from "./live-fixture.ts";
import { test } from "./services.ts";

const ADA = "ada@example.com";

test("asking for the head of an answer without end leaves nothing behind", async ({ services }) => {
  const { headers, status, text } = await services.call(ADA, "HEAD", "/api/events");
  expect([status, text]).toEqual([200, ""]);
  expect(headers.get("content-type")).toBe("text/event-stream");
  await eventually(() => services.deps.erasedUsers.watched).toEqual([]);
});

test("a head says what the answer would, and no more", async ({ services }) => {
  await services.call(ADA, "POST", "/api/conversations", { id: "c" });
  for (const path of ["/api/conversations/c", "/api/conversations/c/messages", "/api/me/export", "/api/absent"]) {
    const send = async (method: string): Promise<Response> =>
      services.fetch(new Request(`http://localhost${path}`, { method, headers: { "x-test-user": ADA } }));
    const [whole, head] = [await send("GET"), await send("HEAD")];
    expect([head.status, await head.text()], path).toEqual([whole.status, ""]);
    expect(head.headers.get("content-type")).toBe(whole.headers.get("content-type"));
    expect(await whole.text(), path).not.toBe("");
  }
});
