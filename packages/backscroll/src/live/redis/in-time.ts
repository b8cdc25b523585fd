import { answerWithin } from "../../cache/redis/session.ts";

/** @throws when there is no answer in time; then it goes on, and its end is nobody's business */
export async function inTime<Answer>(answer: Promise<Answer>, ms: number): Promise<Answer> {
  const timer = new AbortController();
  try {
    return await answerWithin(answer, ms, timer.signal);
  } finally {
    timer.abort();
  }
}
