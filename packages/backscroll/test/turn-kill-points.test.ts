import { expect, test } from "vitest";
import type { ScriptedModel } from "./scripted-model.ts";
import {
  briefly,
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
import type { UiStream } from "./ui-stream.ts";

/** Where kill -9 meets the server that takes the turn, and what is true afterwards, as the other server says it. */
interface KillPoint {
  readonly point: string;
  /** Takes the turn up to this point. */
  readonly reach: (world: TwoServers, turn: TurnOf) => Promise<void>;
  /** what a reader sees at once */
  readonly atOnce: readonly string[];
  /** and when the heartbeat's limit is over */
  readonly later: readonly string[];
  /** how each retry ends, sent as soon as the one before has; the last one has the answer */
  readonly retries: readonly string[];
  /** how often the model is asked in all */
  readonly asked: number;
}

const QUESTION = "user complete: How are you?";
const ANSWER = "assistant complete: Well";

const POINTS: readonly KillPoint[] = [
  {
    point: "before the question is committed",
    async reach({ a, postgres }, turn) {
      const held = postgres.holdStatement("open_turn");
      abandoned(a.say(turn));
      await held.came;
    },
    atOnce: [],
    later: [],
    retries: ["finish: Well"],
    asked: 1,
  },
  {
    point: "after the question is committed",
    async reach({ a, postgres }, turn) {
      const held = postgres.holdAnswer("open_turn");
      abandoned(a.say(turn));
      await held.came;
    },
    atOnce: [QUESTION],
    later: [QUESTION, "assistant interrupted: "],
    retries: ["error: ", "finish: Well"],
    asked: 1,
  },
  {
    point: "while the reply is streamed",
    async reach({ a, b, model }, turn) {
      await a.say(turn);
      (await model.nextReply()).say("We");
      await (await b.follow(turn.conversation_id)).shows("We");
    },
    atOnce: [QUESTION],
    later: [QUESTION, "assistant interrupted: We"],
    retries: ["error: We", "finish: Well"],
    asked: 2,
  },
  {
    point: "before the reply is committed",
    async reach({ a, b, model, postgres }, turn) {
      const held = postgres.holdStatement("close_turn");
      await a.say(turn);
      (await model.nextReply()).sayAll("We", "ll");
      await held.came;
      await (await b.follow(turn.conversation_id)).shows("Well");
    },
    atOnce: [QUESTION],
    later: [QUESTION, "assistant interrupted: Well"],
    retries: ["error: Well", "finish: Well"],
    asked: 2,
  },
  {
    point: "after the reply is committed",
    async reach({ a, model, postgres }, turn) {
      const held = postgres.holdAnswer("close_turn");
      abandoned(a.say(turn));
      (await model.nextReply()).sayAll("We", "ll");
      await held.came;
    },
    atOnce: [QUESTION, ANSWER],
    later: [QUESTION, ANSWER],
    retries: ["finish: Well"],
    asked: 1,
  },
];

test.for(POINTS)(
  "kill -9 $point: a reader sees what was committed, and retries end with one question and one answer",
  async ({ reach, atOnce, later, retries, asked }) => {
    const world = await twoServersOnRedis(REAPED_SOON);
    const { a, b, model } = world;
    // The same harm to two turns: one is retried at once, the other when the dead server's reply has been closed.
    const [impatient, patient] = [await newTurn(a), await newTurn(a)];
    for (const turn of [impatient, patient]) await reach(world, turn);
    await killHard(a);
    void answerEveryone(model);

    for (const { conversation_id } of [impatient, patient])
      expect(briefly(await b.history(conversation_id))).toEqual(atOnce);
    const retrying = retryUntilAnswered(b, impatient);
    await expect
      .poll(async () => briefly(await b.history(patient.conversation_id)), {
        timeout: HEARTBEAT_LIMIT_MS + REAPING_MS,
      })
      .toEqual(later);
    expect(await retrying).toEqual(retries);
    expect(await retryUntilAnswered(b, patient)).toEqual(["finish: Well"]);

    for (const turn of [impatient, patient]) {
      const history = await b.history(turn.conversation_id);
      expect(briefly(history)).toEqual([QUESTION, ANSWER]);
      // Once more: what is stored, and nobody is asked.
      expect(await (await b.say(turn)).whole).toMatchObject({ messageId: history[1]?.id, text: "Well" });
    }
    expect(model.asked).toBe(2 * asked);
  },
);

test.for([
  { when: "before", found: 0, retries: ["finish: Well"] },
  { when: "after", found: 1, retries: ["error: ", "finish: Well"] },
])(
  "kill -9 $when a first message is committed: a retry that names no conversation ends with one conversation",
  async ({ when, found, retries }) => {
    const { a, b, model, postgres } = await twoServersOnRedis(REAPED_SOON);
    const first = { message: "How are you?", message_id: "first" };
    const held = when === "before" ? postgres.holdStatement("open_first_turn") : postgres.holdAnswer("open_first_turn");
    abandoned(a.say(first));
    await held.came;
    await killHard(a);
    void answerEveryone(model);

    expect(await conversationsOf(b)).toHaveLength(found);
    expect(await retryUntilAnswered(b, first)).toEqual(retries);
    const [conversation, ...others] = await conversationsOf(b);
    expect(others).toEqual([]);
    expect(briefly(await b.history(String(conversation)))).toEqual([QUESTION, ANSWER]);
    expect(model.asked).toBe(1);
  },
);

/** The server that was asked dies before it answers. */
function abandoned(stream: Promise<UiStream>): void {
  stream.catch(() => undefined);
}

/** From now on the model answers whoever asks. */
async function answerEveryone(model: ScriptedModel): Promise<never> {
  for (;;) (await model.nextReply()).sayAll("We", "ll");
}

/** @returns how each try ended */
async function retryUntilAnswered(server: Server, turn: Partial<TurnOf>): Promise<readonly string[]> {
  const { ending, text } = await (await server.say(turn)).whole;
  const told = `${ending}: ${text}`;
  return ending === "error" ? [told, ...(await retryUntilAnswered(server, turn))] : [told];
}

async function conversationsOf({ url }: Server): Promise<readonly string[]> {
  const response = await fetch(`${url}/api/conversations`);
  const { conversations } = (await response.json()) as { conversations: { conversation_id: string }[] };
  return conversations.map(({ conversation_id }) => conversation_id);
}
