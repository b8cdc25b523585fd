import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { type ScriptedReply, startScriptedModel } from "../packages/backscroll/test/scripted-model.ts";

/** A model in a thread of its own that says what it is asked for, at the pace it is asked for. */
export interface PacedModel {
  readonly baseUrl: string;
  close(): Promise<void>;
}

/** What one reply is to be. */
export interface Pace {
  /** different texts for different ones */
  readonly nth: number;
  readonly tokens: number;
  readonly tokensPerSecond: number;
}

/** @returns what makes the model say so */
export function questionFor({ nth, tokens, tokensPerSecond }: Pace): string {
  return `${nth}: ${tokens} tokens, ${tokensPerSecond} a second`;
}

/** @returns what the model says to that; about four letters a token */
export function tokensOf({ nth, tokens }: Pace): readonly string[] {
  return Array.from({ length: tokens }, (_, token) => ` ${nth}.${token}`);
}

export async function openPacedModel(): Promise<PacedModel> {
  const worker = new Worker(new URL(import.meta.url));
  const [baseUrl] = (await once(worker, "message")) as [string];
  return {
    baseUrl,
    async close() {
      await worker.terminate();
    },
  };
}

/** The first token comes at once; each of the others when it is due, however late the one before was. */
async function answer(reply: ScriptedReply): Promise<void> {
  const [nth = 0, tokens = 0, tokensPerSecond = 1] = [...reply.question.matchAll(/\d+/g)].map(Number);
  const startedAt = performance.now();
  for (const [index, token] of tokensOf({ nth, tokens, tokensPerSecond }).entries()) {
    const waitMs = startedAt + (index * 1_000) / tokensPerSecond - performance.now();
    if (waitMs > 0) await pause(waitMs);
    if (!reply.isOpen) return;
    reply.say(token);
  }
  reply.finish();
}

if (!isMainThread) {
  const { baseUrl } = await startScriptedModel((reply) => void answer(reply));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(baseUrl);
}
