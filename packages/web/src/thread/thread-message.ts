import type { Message, Role } from "backscroll-client";

/** A message as it is shown: stored, or not yet. The same object as long as nothing of it changes. */
export interface ThreadMessage {
  /** final from the first moment: minted here, or given by the service */
  readonly id: string;
  readonly role: Role;
  readonly content: string;
  readonly created_at: string;
  /** `sending`, `failed`: the user's, not stored as far as is known. `writing`: a reply, as far as it was written */
  readonly state: "stored" | "sending" | "failed" | "writing";
  /** why it could not be sent; only of one that `failed` */
  readonly error: unknown;
  /** as the service has it; null: not stored yet */
  readonly stored: Message | null;
}

export function shownAs(message: Message): ThreadMessage {
  const { id, role, content, created_at } = message;
  return { id, role, content, created_at, state: "stored", error: null, stored: message };
}

/** @returns a message of the user's that is on its way */
export function beingSent(id: string, content: string): ThreadMessage {
  return { ...notStored(id), role: "user", content, state: "sending" };
}

/** @returns a reply, as far as it was written */
export function beingWritten(id: string, content: string, since: ThreadMessage | undefined): ThreadMessage {
  return { ...(since ?? notStored(id)), role: "assistant", content, state: "writing" };
}

function notStored(id: string): Pick<ThreadMessage, "id" | "created_at" | "error" | "stored"> {
  return { id, created_at: new Date().toISOString(), error: null, stored: null };
}
