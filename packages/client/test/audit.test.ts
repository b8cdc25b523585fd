import { expect, test } from "vitest";
import { bearer, startAuthenticated } from "../../backscroll/test/authenticated-services.ts";
import { type AuditEntry, createClient } from "../src/index.ts";
import { ADA, failureOf } from "./running-service.ts";

test("an admin reads the audit log page by page, and nobody else does", async () => {
  const { services, newKey } = await startAuthenticated();
  const clientOf = async (scope: "own" | "admin") =>
    createClient({
      baseUrl: "http://localhost",
      headers: bearer((await newKey(ADA, { scope })).secret),
      fetch: async (url, init) => services.fetch(new Request(url, init)),
    });
  const [own, admin] = [await clientOf("own"), await clientOf("admin")];
  for (const id of ["a", "b", "c"]) {
    await own.createConversation({ id });
    await own.deleteConversation(id);
  }

  const seen: AuditEntry[] = [];
  for (let cursor: string | undefined | null; cursor !== null;) {
    const page = await admin.listAudit({ user: ADA, action: "conversation_trashed", limit: 2, cursor });
    seen.push(...page.entries);
    cursor = page.next_cursor;
  }

  expect(seen.map(({ conversation_id, subject }) => [conversation_id, subject?.user])).toEqual(
    ["c", "b", "a"].map((id) => [id, ADA]),
  );
  expect(await failureOf(own.listAudit())).toMatchObject({ status: 403, code: "forbidden" });
});
