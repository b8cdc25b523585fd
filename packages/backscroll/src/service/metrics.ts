import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { type MessageJson, ROLES, roleOfMessage, type MessageStatus } from "../domain/message.ts";
import type { OperationResult } from "./observe.ts";
import type { RunningReplies } from "./running-reply.ts";

/** What the use cases count; never a user or a conversation. */
export interface ServiceMetrics {
  /** messages that were not there before */
  saved(messages: readonly MessageJson[]): void;
  savedAs(role: string): void;
  /** a reply's first piece, so long after it was asked for */
  firstToken(ms: number): void;
  /**
   * @param result `lost`: another server took this one for dead, and closed it
   * @param tokensUsed null: the responder did not say
   */
  replyEnded(result: MessageStatus | "lost", tokensUsed: number | null): void;
  /** something that was asked of the service, over HTTP or in its process */
  operation(name: string, result: OperationResult, ms: number): void;
}

export function createServiceMetrics(registry: Registry, running: RunningReplies): ServiceMetrics {
  const saved = new Counter({
    name: "backscroll_messages_saved_total",
    help: "Messages stored by this server, by role; imported ones too",
    labelNames: ["role"],
    registers: [registry],
  });
  const firstToken = new Histogram({
    name: "backscroll_reply_first_token_seconds",
    help: "From asking for a reply to its first piece",
    buckets: [0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60],
    registers: [registry],
  });
  const ended = new Counter({
    name: "backscroll_replies_total",
    help: "Replies written here, by how they ended; lost: another server took this one for dead",
    labelNames: ["result"],
    registers: [registry],
  });
  const tokens = new Counter({
    name: "backscroll_reply_tokens_total",
    help: "Tokens that replies written here used, of those whose responder says so",
    registers: [registry],
  });
  const operations = new Histogram({
    name: "backscroll_operation_duration_seconds",
    help: "What is asked of the service, by HTTP or in its process; refused: the caller's fault",
    labelNames: ["operation", "result"],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  const gauge: Gauge = new Gauge({
    name: "backscroll_replies_running",
    help: "Replies being written by this server",
    registers: [registry],
    collect: () => gauge.set(running.size),
  });
  // What never happened is 0: an alert needs something to rise from.
  for (const role of ROLES) saved.inc({ role }, 0);
  for (const result of ["complete", "stopped", "interrupted", "failed", "lost"]) ended.inc({ result }, 0);
  return {
    saved(messages) {
      for (const message of messages) saved.inc({ role: roleOfMessage(message) });
    },
    savedAs: (role) => saved.inc({ role }),
    firstToken: (ms) => firstToken.observe(ms / 1_000),
    replyEnded(result, tokensUsed) {
      ended.inc({ result });
      tokens.inc(tokensUsed ?? 0);
    },
    operation: (operation, result, ms) => operations.observe({ operation, result }, ms / 1_000),
  };
}
