import type { LRUCache } from "lru-cache";
import type { HistoryCache } from "../cache/history-cache.ts";
import type { Live } from "../live/live.ts";
import type { Database } from "../postgres/pool.ts";
import type { Responder } from "../responder/responder.ts";
import type { Tracer } from "../tracing/tracer.ts";
import type { Appender } from "./appender.ts";
import type { ErasedUsers } from "./erased-users.ts";
import type { TokenCounter } from "./token-counter.ts";
import type { ServiceMetrics } from "./metrics.ts";
import type { FollowedReplies } from "./remote-reply.ts";
import type { RunningReplies } from "./running-reply.ts";
import type { KnownUser } from "./users.ts";

/** What the use cases stand on; put together in `create.ts`. */
export interface Deps {
  readonly db: Database;
  readonly appender: Appender;
  readonly cache: HistoryCache;
  readonly live: Live;
  readonly responder: Responder;
  readonly tokenCounter: TokenCounter;
  readonly settings: ServiceSettings;
  readonly log: Log;
  readonly metrics: ServiceMetrics;
  readonly tracer: Tracer;
  /** of the database, for its own HMACs */
  readonly secret: Buffer;
  /** users by identity, for a moment */
  readonly userIds: LRUCache<string, KnownUser>;
  readonly erasedUsers: ErasedUsers;
  /** who was seen today to act for whom: it is in the audit log */
  readonly notedActedFor: LRUCache<string, true>;
  /** of this process; another run has another */
  readonly serverId: string;
  readonly runningReplies: RunningReplies;
  readonly followedReplies: FollowedReplies;
  /** closing waits for it @returns the same promise */
  readonly track: <Result>(operation: Promise<Result>) => Promise<Result>;
  /** aborted when the service begins to stop: it finishes what runs, and takes nothing new */
  readonly draining: AbortSignal;
  /** aborted when it gives up waiting for what runs */
  readonly stopping: AbortSignal;
}

interface ServiceSettings {
  /** of UTF-8 in one message's content */
  readonly messageBytesMax: number;
  /** tokens of the messages a responder is shown; the question is always shown */
  readonly contextTokens: number;
  /** how many messages up to the question are looked at for it, at most */
  readonly contextMessages: number;
  /** how many of a conversation's newest messages the cache keeps */
  readonly cacheMessageLimit: number;
  /** names of the tools a responder may use */
  readonly responderTools: readonly string[];
  readonly responderTimeoutMs: number;
  /** a server that has not said for so long that it writes a reply is taken for dead */
  readonly replyHeartbeatTimeoutMs: number;
  /** conversations that nobody wrote in for so many days are erased; 0: none */
  readonly retentionDays: number;
  /** how long a session that nobody uses is kept */
  readonly sessionDays: number;
  /** how long an Idempotency-Key is remembered */
  readonly idempotencyKeepMs: number;
  /** what is asked of the service and takes so long is logged as a warning; 0: nothing */
  readonly slowOperationMs: number;
}

/** Ids and numbers, never content, keys or addresses. */
interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
