import { BackscrollError } from "../domain/errors.ts";
import { toStoredId } from "../domain/ids.ts";
import { findDeletedIds, findImportedHashes, type ImportedHash } from "../postgres/guide-imported.ts";
import type { MessagesWanted } from "../postgres/guide-tables.ts";
import { checkGuideMessage, type KeepableMessage, type OrderedMessage, readInOrder } from "./guide-messages.ts";
import type { Bringing, PlacedConversation } from "./guide-run.ts";

/** Messages of one look for what is here, and of one statement that stores them. */
const MESSAGES_A_PIECE = 500;

interface Piece {
  readonly messages: readonly KeepableMessage[];
  /** how many of the guide's table were read for them: the others cannot be kept */
  readonly read: number;
}

/**
 * Reads what can be kept of a conversation, in order, in pieces.
 *
 * @param tells what cannot be kept is told; otherwise it was already
 */
export async function* readKeepable(
  bringing: Bringing,
  { guide }: PlacedConversation,
  { with: extra, tells }: Pick<MessagesWanted, "with"> & { readonly tells: boolean },
): AsyncGenerator<Piece, void> {
  const { source, roleOf, deps } = bringing;
  const fail: Bringing["run"]["fail"] = (...error) => {
    if (tells) bringing.run.fail(...error);
  };
  const check = (message: OrderedMessage): readonly KeepableMessage[] => {
    try {
      return [checkGuideMessage(message, deps.settings)];
    } catch (error) {
      if (!(error instanceof BackscrollError)) throw error;
      fail(guide.id, message.id, error.code, error.message);
      return [];
    }
  };
  const wanted = { conversationId: guide.id, with: extra, bytesMax: deps.settings.messageBytesMax };
  let messages = 0;
  for await (const batch of readInOrder(source, wanted, roleOf)) {
    for (let from = 0; from < batch.length; from += MESSAGES_A_PIECE) {
      const some = batch.slice(from, from + MESSAGES_A_PIECE);
      const byId = Map.groupBy(some.flatMap(check), ({ id }) => id);
      // One that is there in another piece, too, is found here by then.
      for (const [id, { length }] of byId)
        if (length > 1) fail(guide.id, id, "message_id_conflict", `the table has this id ${length} times`);
      yield { messages: [...byId.values()].flatMap((same) => same.slice(0, 1)), read: some.length };
    }
    messages += batch.length;
  }
  const lacking = guide.digest.messages - messages;
  if (lacking === 0) return;
  fail(guide.id, null, "invalid_request", `${lacking} of its messages have no id or no created_at: they were left out`);
  yield { messages: [], read: lacking };
}

/**
 * Why a message is not here: `missing`, it never was, or somebody removed it past the service; `deleted`, by whoever uses
 * the conversation here; `deleted_or_new`, one of the two: deletions in this conversation were not kept by id then.
 */
export type Absence = "missing" | "deleted" | "deleted_or_new";

export interface Found {
  /** by the id that they have in the guide's table */
  readonly here: ReadonlyMap<string, ImportedHash>;
  /** of all others */
  readonly absenceOf: (message: KeepableMessage) => Absence;
}

/** Looks for a conversation's messages here. */
export async function findHere(
  { deps, restoreDeleted }: Pick<Bringing, "deps" | "restoreDeleted">,
  { ref, state }: Pick<PlacedConversation, "ref" | "state">,
  messages: readonly KeepableMessage[],
): Promise<Found> {
  const storedIds = new Map(messages.map(({ id }) => [id, toStoredId(ref.userId, id).id]));
  const storedId = (id: string): string => storedIds.get(id) ?? "";
  const found = messages.length === 0 ? new Map() : await findImportedHashes(deps.db, ref, [...storedIds.values()]);
  const here = new Map<string, ImportedHash>();
  for (const { id } of messages) {
    const hash = found.get(storedId(id));
    if (hash !== undefined) here.set(id, hash);
  }
  const absent = [...storedIds].filter(([id]) => !here.has(id)).map(([, stored]) => stored);
  // After what is here: what leaves meanwhile is found in one of the two.
  const deleted = restoreDeleted || absent.length === 0 ? NONE : await findDeletedIds(deps.db, ref, absent);
  const unknownMs = restoreDeleted ? null : (state?.deletedUnknownMs ?? null);
  return {
    here,
    absenceOf: ({ id, atMs }) => {
      if (deleted.has(storedId(id))) return "deleted";
      // What was written after those deletions is none of them.
      return unknownMs !== null && atMs <= unknownMs ? "deleted_or_new" : "missing";
    },
  };
}

const NONE: ReadonlySet<string> = new Set();
