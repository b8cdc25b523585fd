import { type AccountMethods, accountMethods } from "./account.ts";
import type { Fetch, HeadersSource } from "./attempt.ts";
import { type ChangeMethods, changeMethods } from "./changes.ts";
import { type ConversationMethods, conversationMethods } from "./conversations.ts";
import { type MessageMethods, messageMethods } from "./messages.ts";
import { createSend } from "./send.ts";
import { type SessionMethods, sessionMethods } from "./sessions.ts";
import { type TransferMethods, transferMethods } from "./transfer.ts";
import { type TurnMethods, turnMethods } from "./turns.ts";

export interface ClientOptions {
  /** where the service is, e.g. `https://chat.example.com`; in a browser "" is the page's own origin */
  readonly baseUrl: string;
  /** sent with every request, e.g. `authorization`; a function is asked anew for each attempt, for tokens that expire */
  readonly headers?: HeadersSource | undefined;
  /** instead of the global one */
  readonly fetch?: Fetch | undefined;
  /** for each attempt, from its start to the end of its answer; default 60 000, of a turn 180 000 */
  readonly timeoutMs?: number | undefined;
  /** attempts after the first; default 2 */
  readonly retries?: number | undefined;
}

/** Every call of the API. */
export interface BackscrollClient
  extends
    ConversationMethods,
    MessageMethods,
    TurnMethods,
    SessionMethods,
    ChangeMethods,
    TransferMethods,
    AccountMethods {}

/** @returns the API as typed functions; they need no `this`, and share nothing but the options */
export function createClient({ baseUrl, ...options }: ClientOptions): BackscrollClient {
  const send = createSend({ ...options, baseUrl: baseUrl.replace(/\/+$/, "") });
  return {
    ...conversationMethods(send),
    ...messageMethods(send),
    ...turnMethods(send),
    ...sessionMethods(send),
    ...changeMethods(send),
    ...transferMethods(send),
    ...accountMethods(send),
  };
}
