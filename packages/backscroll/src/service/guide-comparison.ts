import { type Absence, findHere, readKeepable } from "./guide-here.ts";
import type { Bringing, GuideError, PlacedConversation } from "./guide-run.ts";

const TOLD: Record<Exclude<Absence, "deleted">, string> = {
  missing: "it is not here",
  deleted_or_new:
    "it is not here, and may be one that was deleted here before it was kept which those are, or new: left out; " +
    "--restore-deleted brings all of them",
};

/**
 * Compares a conversation message by message, by hashes that each database makes: what is not here, or not as it is
 * there, is told. What cannot be kept was told when the rest was stored, and is told now when nothing is stored.
 *
 * @param messagesHere how many messages the conversation has here
 * @returns whether all of it is here, but for what was deleted here
 */
export async function verifyMessages(
  bringing: Bringing,
  conversation: PlacedConversation,
  { here: messagesHere }: { here: number },
): Promise<boolean> {
  const { run, signal, verifyOnly } = bringing;
  const { result } = run;
  const fail = (messageId: string, code: GuideError["code"], detail: string): void =>
    run.fail(conversation.guide.id, messageId, code, detail);
  let isWhole = true;
  let found = 0;
  for await (const { messages, read } of readKeepable(bringing, conversation, { with: "hash", tells: verifyOnly })) {
    if (signal.aborted) return false;
    if (messages.length < read) isWhole = false;
    const { here, absenceOf } = await findHere(bringing, conversation, messages);
    found += here.size;
    for (const message of messages) {
      const imported = here.get(message.id);
      if (imported === undefined) {
        const absence = absenceOf(message);
        if (absence === "deleted") {
          result.messagesDeletedHere += 1;
          continue;
        }
        isWhole = false;
        fail(message.id, absence, TOLD[absence]);
      } else if (imported.hash !== message.hash) {
        isWhole = false;
        const detail = "it is here with another role, content, tokens_used or latency_ms: one of the two was changed";
        fail(message.id, "message_id_conflict", detail);
      } else {
        result.messagesVerified += 1;
        if (imported.atMs !== message.atMs) result.messagesMoved += 1;
      }
    }
  }
  result.messagesOnlyHere += Math.max(0, messagesHere - found);
  return isWhole;
}
