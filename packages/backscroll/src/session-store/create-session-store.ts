import { loggedError } from "../domain/logged-error.ts";
import type { ConversationService } from "../service/conversation-service.ts";
import { DualWrite, type SessionStoreFailure } from "./dual-write.ts";
import { SessionStore } from "./session-store.ts";
import { type SessionMessage, type SessionStoreOptions, toSettings } from "./session-store-options.ts";

/** What `createBackscroll` gives a store. */
export interface SessionStoreParts {
  readonly conversations: ConversationService;
  readonly log: { warn(fields: object, message: string): void };
  readonly track: <Result>(operation: Promise<Result>) => Promise<Result>;
}

/** @throws {TypeError} naming the option that is wrong */
export function createSessionStore<Message extends SessionMessage>(
  { conversations, log, track }: SessionStoreParts,
  options: SessionStoreOptions<Message>,
): SessionStore<Message> {
  const logFailure = ({ side, operation, error }: SessionStoreFailure): void =>
    log.warn({ side, operation, err: loggedError(error) }, "a session could not be kept in both places");
  const onFailure = (failure: SessionStoreFailure): void => {
    try {
      (options.onFailure ?? logFailure)(failure);
    } catch (error) {
      logFailure(failure);
      log.warn({ err: loggedError(error) }, "onFailure of a session store threw");
    }
  };
  return new SessionStore(conversations, toSettings(options), new DualWrite(onFailure, track));
}
