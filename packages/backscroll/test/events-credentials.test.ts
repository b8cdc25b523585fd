import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { revokeApiKey } from "../src/service/api-keys.ts";
import { type Authenticated, bearer, startAuthenticated } from "./authenticated-services.ts";
import { openTab } from "./events-fixture.ts";
import { signWithSecret } from "./token-issuer.ts";

const ADA = "ada@example.com";
const SECRET = "a secret of more than thirty-two bytes";
const MINUTE_MS = 60_000;

let service: Authenticated;

beforeEach(async () => {
  service = await startAuthenticated({ jwtSecret: SECRET });
  // Only what begins from here on: the streams'.
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
});

const whoIs = (headers: Record<string, string>) => (): Promise<string> => service.whoIs(headers);
const LONG = { timeout: 15_000 };

test("a stream ends within a minute of its key's revocation, and no other", async () => {
  const { services, newKey } = service;
  const [kept, lost] = [await newKey(ADA), await newKey(ADA)];
  const stays = await openTab(services, "", { headers: bearer(kept.secret) });
  const goes = await openTab(services, "", { headers: bearer(lost.secret) });
  await revokeApiKey(services.deps, lost.id);
  await expect.poll(whoIs(bearer(lost.secret)), LONG).toBe("unauthenticated");

  vi.advanceTimersByTime(MINUTE_MS);
  await goes.ended;
  await services.conversations.createConversation(ADA, { id: "news" });
  await expect.poll(() => stays.heard).toMatchObject([{ type: "conversation_created", conversation_id: "news" }]);
  expect(goes.heard).toEqual([]);
});

test("a stream ends with its login, and when its token expires", async () => {
  const { services, send, newKey } = service;
  const { secret: credential } = await newKey(ADA);
  const login = await send("POST", "/api/login", {}, { credential });
  const cookie = { cookie: login.headers.getSetCookie()[0]?.split(";")[0] ?? "", origin: "http://localhost" };
  const options = { expiresIn: -28, claims: { aud: undefined } };
  const token = bearer(await signWithSecret(SECRET, ADA, options));
  const ofLogin = await openTab(services, "", { headers: cookie });
  const ofToken = await openTab(services, "", { headers: token });
  expect((await send("POST", "/api/logout", { ...cookie, host: "localhost" })).status).toBe(200);
  await expect.poll(whoIs(token), LONG).toBe("unauthenticated");

  vi.advanceTimersByTime(MINUTE_MS);
  await Promise.all([ofLogin.ended, ofToken.ended]);
});
