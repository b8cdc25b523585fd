import pg from "pg";
import { expect, onTestFinished } from "vitest";
import { type FaultyRedis, startFaultyRedis } from "../../backscroll/test/faulty-redis.ts";
import { keptPort } from "../../backscroll/test/free-port.ts";
import { type ScriptedModel, startScriptedModel } from "../../backscroll/test/scripted-model.ts";
import { type ServiceProcess, startService } from "../../backscroll/test/service-process.ts";
import { newSchema } from "../../backscroll/test/services.ts";
import { POLL, test } from "./app-test.ts";
import { composerOf, expectShown, FAILED_REQUEST, say } from "./chat-fixture.ts";

/** A service in a process of its own, to be killed and started again at the same address. */
interface Fragile {
  readonly url: string;
  readonly databaseUrl: string;
  readonly model: ScriptedModel;
  start(): Promise<void>;
  kill(): Promise<void>;
}

async function startFragile(environment: Record<string, string> = {}): Promise<Fragile> {
  const { databaseUrl, drop } = await newSchema();
  onTestFinished(drop);
  const model = await startScriptedModel();
  onTestFinished(() => model.close());
  const port = await keptPort();
  let running: ServiceProcess;
  const start = async (): Promise<void> => {
    running = await startService(["--port", String(port)], {
      MODEL: "compatible/scripted-1",
      MODEL_BASE_URL: model.baseUrl,
      DATABASE_URL: databaseUrl,
      REPLY_HEARTBEAT_TIMEOUT_MS: "3000",
      ...environment,
    });
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    databaseUrl,
    model,
    start,
    async kill() {
      running.child.kill("SIGKILL");
      await running.ended;
    },
  };
}

/** @returns what would be kept of the reply that is being written */
async function checkpointedText({ databaseUrl }: Fragile): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ partial_text: string }>("select partial_text from generations");
    return rows[0]?.partial_text;
  } finally {
    await client.end();
  }
}

test("the service is killed in the middle of a reply: what was written is kept as interrupted, and Retry asks again", async ({
  stage,
}) => {
  stage.forgive(FAILED_REQUEST);
  const service = await startFragile();
  const page = await stage.open(service.url);
  await say(page, "Tell me");
  const reply = await service.model.nextReply();
  for (const word of ["One ", "two"]) reply.say(word);
  await expectShown(page, "Tell me", "One two");
  await expect.poll(() => checkpointedText(service), POLL).toBe("One two");

  await service.kill();
  await page.getByText(/^Offline: the server cannot be reached/).waitFor();
  await expectShown(page, "Tell me", "One two");
  await service.start();
  await page.getByRole("article").last().getByText("Interrupted").waitFor({ timeout: 20_000 });
  await expectShown(page, "Tell me", "One two");

  await page.getByRole("button", { name: "Retry" }).click();
  (await service.model.nextReply()).sayAll("Here ", "it is");
  await expectShown(page, "Tell me", "Here it is");
  await page.reload();
  await expectShown(page, "Tell me", "Here it is");
}, 60_000);

test("Redis goes away: chatting goes on, and the operator is told; nothing is lost", async ({ stage }) => {
  stage.forgive(FAILED_REQUEST);
  const redis: FaultyRedis = await startFaultyRedis();
  const service = await startFragile({ REDIS_URL: redis.url });
  const page = await stage.open(service.url);
  await say(page, "With Redis");
  (await service.model.nextReply()).sayAll("Yes");
  await expectShown(page, "With Redis", "Yes");

  await redis.kill();
  await say(page, "Without");
  const reply = await service.model.nextReply();
  reply.say("Still ");
  await expectShown(page, "With Redis", "Yes", "Without", "Still");
  reply.sayAll("here");
  await expectShown(page, "With Redis", "Yes", "Without", "Still here");
  await page.reload();
  await page.getByText("Redis unavailable: slower, nothing lost").waitFor({ timeout: 20_000 });
  await expectShown(page, "With Redis", "Yes", "Without", "Still here");

  await redis.restart();
  await page.getByText("Connected", { exact: true }).waitFor({ timeout: 30_000 });
  await say(page, "And again");
  (await service.model.nextReply()).sayAll("With it");
  await expectShown(page, "With Redis", "Yes", "Without", "Still here", "And again", "With it");
}, 90_000);

test("Enter that chooses a character of another script sends nothing; the next one does", async ({ stage }) => {
  const page = await stage.open();
  const keyboard = await page.context().newCDPSession(page);
  const enter = (windowsVirtualKeyCode: number): Promise<unknown> =>
    keyboard.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode });
  await composerOf(page).focus();
  await keyboard.send("Input.imeSetComposition", { text: "にほん", selectionStart: 3, selectionEnd: 3 });
  await expect.poll(() => composerOf(page).inputValue()).toBe("にほん");
  await enter(229);
  await keyboard.send("Input.insertText", { text: "日本" });
  await expect.poll(() => composerOf(page).inputValue()).toBe("日本");
  expect(stage.services.asked).toBe(0);
  await composerOf(page).press("Enter");
  const reply = await stage.services.nextReply();
  reply.say("はい");
  reply.finish();
  await expectShown(page, "日本", "はい");
  expect(stage.services.asked).toBe(1);
});
