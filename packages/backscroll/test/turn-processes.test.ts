import { expect, test } from "vitest";
import { post } from "./service-process.ts";
import {
  briefly,
  CHECKPOINT_MS,
  HEARTBEAT_LIMIT_MS,
  killHard,
  newTurn,
  REAPED_SOON,
  REAPING_MS,
  type Server,
  type TurnOf,
  type TwoServers,
  twoServersOnRedis,
} from "./turn-fixture.ts";

test("kill -9 of the server that writes: who waits for the whole reply on another server is answered by that one", async () => {
  const { a, b, model } = await twoServersOnRedis(REAPED_SOON);
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  (await model.nextReply()).say("One");
  await onA.shows("One");
  const waiting = post(`${b.url}/api/conversations/messages`, turn);

  await killHard(a);
  (await model.nextReply()).sayAll("Whole");

  const answer = await waiting;
  expect([answer.status, await answer.json()]).toMatchObject([200, { assistant_message: { content: "Whole" } }]);
  expect(briefly(await b.history(turn.conversation_id))).toEqual([
    "user complete: How are you?",
    "assistant complete: Whole",
  ]);
});

test("kill -9 of the server that writes: another closes the reply as interrupted with its text, tells who follows, and a retry asks again", async () => {
  const { a, b, model } = await twoServersOnRedis(REAPED_SOON);
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  reply.say("One");
  reply.say(" two");
  const [followed, joined] = [await b.follow(turn.conversation_id), await b.say(turn)];
  await Promise.all([onA, followed, joined].map((stream) => stream.shows("One two")));

  const killedAt = performance.now();
  await killHard(a);

  const told = await followed.whole;
  expect(performance.now() - killedAt).toBeLessThan(HEARTBEAT_LIMIT_MS + REAPING_MS);
  expect(told).toMatchObject({
    text: "One two",
    ending: "error",
    metadata: { status: "interrupted", error_code: "reply_interrupted" },
  });
  expect(await joined.whole).toEqual(told);
  expect(await followsNothing(b, turn)).toBe(true);
  const [, interrupted] = await b.history(turn.conversation_id);
  expect(interrupted).toMatchObject({ id: told.messageId, status: "interrupted", content: "One two" });

  await retryReplaces({ b, model }, turn);
});

test("kill -9 of the server and of Redis at the worst moment: at most two seconds of text are lost", async () => {
  const { a, b, model, postgres, redis } = await twoServersOnRedis(REAPED_SOON);
  const turn = await newTurn(a);
  await a.say(turn);
  const reply = await model.nextReply();
  const saidAt: number[] = [];
  const talking = setInterval(() => {
    reply.say(`${saidAt.length} `);
    saidAt.push(performance.now());
  }, 20);

  // The worst moment: a checkpoint is on its way, and the one before it is all there is.
  const first = postgres.holdAnswer("checkpoint_replies");
  await first.came;
  const second = postgres.holdStatement("checkpoint_replies");
  first.release();
  await second.came;
  const killedAt = performance.now();
  await Promise.all([killHard(a), redis.kill()]);
  clearInterval(talking);

  await expect
    .poll(async () => briefly(await b.history(turn.conversation_id)).length, {
      timeout: HEARTBEAT_LIMIT_MS + REAPING_MS,
    })
    .toBe(2);
  const [, interrupted] = await b.history(turn.conversation_id);
  expect(interrupted?.status).toBe("interrupted");
  const kept = interrupted?.content.split(" ").length ?? 0;
  expect(interrupted?.content.trim()).toBe(
    saidAt
      .slice(0, kept - 1)
      .map((_, n) => n)
      .join(" "),
  );
  const lostMs = killedAt - (saidAt[kept - 1] ?? killedAt);
  expect(lostMs).toBeLessThan(CHECKPOINT_MS + 300);
  // It is the checkpoint that is measured, and not something that lost nothing.
  expect(lostMs).toBeGreaterThan(CHECKPOINT_MS / 2);

  await retryReplaces({ b, model }, turn);
});

test("a server that was only asleep cannot overwrite what another one closed, and tells its followers", async () => {
  const { a, b, model } = await twoServersOnRedis(REAPED_SOON);
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  reply.say("One two");
  const onB = await b.follow(turn.conversation_id);
  await Promise.all([onA, onB].map((stream) => stream.shows("One two")));

  a.process.child.kill("SIGSTOP");
  expect(await onB.whole).toMatchObject({ text: "One two", metadata: { status: "interrupted" } });
  const again = await b.say(turn);
  const second = await model.nextReply();
  second.say("Better");
  await again.shows("Better");
  // When A wakes up, it finds its reply finished by the model, and the conversation in another's hands.
  reply.sayAll(" three");
  a.process.child.kill("SIGCONT");

  expect(await onA.whole).toMatchObject({ ending: "error", metadata: { status: "interrupted" } });
  second.sayAll(" now");
  const whole = await again.whole;
  expect(whole).toMatchObject({ text: "Better now", ending: "finish" });
  for (const server of [a, b]) {
    const history = await server.history(turn.conversation_id);
    expect(briefly(history)).toEqual(["user complete: How are you?", "assistant complete: Better now"]);
    expect(history[1]?.id).toBe(whole.messageId);
  }
  // A is as good as before.
  const next = await a.say({ ...turn, message_id: "next", message: "And now?" });
  (await model.nextReply()).sayAll("Awake");
  expect(await next.whole).toMatchObject({ text: "Awake", ending: "finish" });
});

test("a server that is stopped and cannot wait closes its replies as interrupted at once, with their text", async () => {
  // Nobody else may be the one who closes it.
  const { a, b, model } = await twoServersOnRedis({ DRAIN_TIMEOUT_MS: "200", REPLY_HEARTBEAT_TIMEOUT_MS: "60000" });
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  reply.say("One two");
  const onB = await b.follow(turn.conversation_id);
  await Promise.all([onA, onB].map((stream) => stream.shows("One two")));

  const stoppedAt = performance.now();
  a.process.child.kill("SIGTERM");

  expect(await onB.whole).toMatchObject({ text: "One two", ending: "error", metadata: { status: "interrupted" } });
  expect(performance.now() - stoppedAt).toBeLessThan(5_000);
  expect(await onA.whole).toMatchObject({ text: "One two", ending: "error", metadata: { status: "interrupted" } });
  await reply.hungUp;
  expect(await a.process.ended).toBe(0);
  expect(briefly(await b.history(turn.conversation_id))).toEqual([
    "user complete: How are you?",
    "assistant interrupted: One two",
  ]);

  await retryReplaces({ b, model }, turn);
});

test("a server that is stopped and can wait finishes its replies", async () => {
  const { a, b, model } = await twoServersOnRedis();
  const turn = await newTurn(a);
  const onA = await a.say(turn);
  const reply = await model.nextReply();
  reply.say("One");
  await onA.shows("One");

  a.process.child.kill("SIGTERM");
  await expect.poll(() => isOpen(a)).toBe(false);
  reply.sayAll(" two");

  expect(await onA.whole).toMatchObject({ text: "One two", ending: "finish", metadata: { status: "complete" } });
  expect(await a.process.ended).toBe(0);
  expect(briefly(await b.history(turn.conversation_id))).toEqual([
    "user complete: How are you?",
    "assistant complete: One two",
  ]);
});

/** The same message again asks once more, and its reply takes the place of the interrupted one. */
async function retryReplaces({ b, model }: Pick<TwoServers, "b" | "model">, turn: TurnOf): Promise<void> {
  const askedBefore = model.asked;
  const [question, interrupted] = await b.history(turn.conversation_id);
  const again = await b.say(turn);
  (await model.nextReply()).sayAll("Better", " now");

  const whole = await again.whole;
  expect(whole).toMatchObject({ text: "Better now", ending: "finish", metadata: { status: "complete" } });
  expect(whole.messageId).not.toBe(interrupted?.id);
  const history = await b.history(turn.conversation_id);
  expect(briefly(history)).toEqual(["user complete: How are you?", "assistant complete: Better now"]);
  expect(history.map(({ id }) => id)).toEqual([question?.id, whole.messageId]);
  expect((await (await b.say(turn)).whole).text).toBe("Better now");
  expect(model.asked).toBe(askedBefore + 1);
}

async function followsNothing({ url }: Server, { conversation_id }: TurnOf): Promise<boolean> {
  return (await fetch(`${url}/api/chat/${conversation_id}/stream`)).status === 204;
}

function isOpen({ url }: Server): Promise<boolean> {
  return fetch(`${url}/livez`).then(
    () => true,
    () => false,
  );
}
