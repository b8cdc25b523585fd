import { useSyncExternalStore } from "react";

/** What goes on in a conversation, as far as this page knows. */
export interface TurnState {
  /** `sending`: a message is on its way. `replying`: its reply, or another's, is being written */
  readonly phase: "idle" | "sending" | "replying";
  /** the last reply came to nothing: what it was to answer is stored, and can be asked again */
  readonly failure: { readonly question: Question; readonly error: unknown } | null;
}

export interface Question {
  readonly id: string;
  readonly text: string;
}

const IDLE: TurnState = { phase: "idle", failure: null };
const states = new Map<string, TurnState>();
const listeners = new Set<() => void>();

function turnStateOf(conversationId: string): TurnState {
  return states.get(conversationId) ?? IDLE;
}

export function setTurnState(conversationId: string, change: Partial<TurnState>): void {
  const next = { ...turnStateOf(conversationId), ...change };
  if (next.phase === "idle" && next.failure === null) states.delete(conversationId);
  else states.set(conversationId, next);
  for (const listener of listeners) listener();
}

export function useTurnState(conversationId: string | null): TurnState {
  return useSyncExternalStore(subscribe, () => (conversationId === null ? IDLE : turnStateOf(conversationId)));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
