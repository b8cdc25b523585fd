import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { navigate } from "wouter/use-browser-location";
import { conversationHref } from "../server/conversation-actions.ts";
import { useConnection } from "../server/connection.ts";
import { inWords } from "../server/query-client.ts";
import { useNarrow } from "../shell/use-narrow.ts";
import { IconButton } from "../ui/button.tsx";
import { toastError } from "../ui/toasts.tsx";
import { setDraft, useDraft } from "./drafts.ts";
import { editLastQuestion } from "./message-editing.ts";
import { threadOf } from "./open-threads.ts";
import { useTurnState } from "./turn-states.ts";
import { beginConversation, sendMessage, stopReply } from "./turns.ts";

/** What one message may have. */
const BYTES_MAX = 1_048_576;
const ENCODER = new TextEncoder();

/** @param conversationId null: there is none yet, and the first message makes it */
export function Composer({ conversationId }: { readonly conversationId: string | null }): ReactNode {
  const field = useRef<HTMLTextAreaElement>(null);
  const text = useDraft(conversationId);
  const setText = (next: string): void => setDraft(conversationId, next);
  const [isBeginning, setBeginning] = useState(false);
  const { phase } = useTurnState(conversationId);
  const obstacle = useObstacle(text, phase !== "idle" || isBeginning);
  const isNarrow = useNarrow();
  useGrowing(field, text);
  useFocus(field);

  const send = async (): Promise<void> => {
    const message = text.trim();
    if (obstacle !== null) return;
    field.current?.focus();
    if (conversationId !== null) {
      if (sendMessage(threadOf(conversationId), message)) setText("");
      return;
    }
    setBeginning(true);
    try {
      const id = await beginConversation();
      setText("");
      threadOf(id).beginEmpty();
      sendMessage(threadOf(id), message);
      navigate(conversationHref(id));
    } catch (error) {
      // The text stays where it is.
      toastError(`The conversation could not be begun. ${inWords(error)}`);
      setBeginning(false);
    }
  };
  const stop = (): void => {
    if (conversationId === null) return;
    // The button goes; on a phone a keyboard would come up instead.
    if (!isNarrow) field.current?.focus();
    stopReply(threadOf(conversationId)).catch((error: unknown) => toastError(`Not stopped. ${inWords(error)}`));
  };
  useEscape(phase === "replying" ? stop : null);
  const onKeyDown = (event: KeyboardEvent): void => {
    // Enter that chooses a character of another script is not for us; Safari says it by this number only.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      void send();
    } else if (event.key === "ArrowUp" && text === "" && conversationId !== null) {
      if (editLastQuestion(threadOf(conversationId))) event.preventDefault();
    }
  };
  return (
    <form
      aria-label="New message"
      className="mx-auto w-full max-w-192 shrink-0 px-4 pb-4"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div className="flex items-end gap-2 rounded-l border border-control bg-raise p-2 focus-within:outline-2 focus-within:outline-accent">
        <textarea
          ref={field}
          id="composer"
          rows={1}
          aria-label="Message"
          aria-describedby="composer-obstacle"
          aria-keyshortcuts="Shift+Escape"
          placeholder="Ask anything"
          enterKeyHint="send"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          className="max-h-[40dvh] min-h-8 flex-1 resize-none bg-transparent px-2 py-1 text-16 leading-6 outline-none placeholder:text-ink2 md:text-15"
        />
        {phase === "replying" ? (
          <IconButton kind="primary" label="Stop" onClick={stop}>
            <Square size={14} fill="currentColor" aria-hidden />
          </IconButton>
        ) : (
          <IconButton kind="primary" type="submit" label="Send" disabled={obstacle !== null}>
            <ArrowUp size={18} aria-hidden />
          </IconButton>
        )}
      </div>
      <p id="composer-obstacle" className="min-h-5 px-3 pt-1 text-12 leading-4 text-ink2">
        {obstacle}
      </p>
    </form>
  );
}

/** @returns why nothing can be sent now; "" for what needs no words; null: it can */
function useObstacle(text: string, isBusy: boolean): string | null {
  const connection = useConnection();
  if (connection === "offline") return "Offline: your text is kept, and can be sent when the server is back.";
  if (text.length > BYTES_MAX / 4 && ENCODER.encode(text).length > BYTES_MAX) {
    return "Too long: a message may have 1 MB. Send it in parts.";
  }
  return text.trim() === "" || isBusy ? "" : null;
}

/** As high as its text; the style sheet says where that ends. */
function useGrowing(field: React.RefObject<HTMLTextAreaElement | null>, text: string): void {
  useLayoutEffect(() => {
    const shown = field.current;
    if (!shown) return;
    shown.style.height = "auto";
    shown.style.height = `${shown.scrollHeight}px`;
  }, [field, text]);
}

/** Where a keyboard would come up over the page, nobody asked for it yet. */
function useFocus(field: React.RefObject<HTMLTextAreaElement | null>): void {
  const isNarrow = useNarrow();
  useEffect(() => {
    if (!isNarrow) field.current?.focus();
    const focus = (event: globalThis.KeyboardEvent): void => {
      if (event.key === "Escape" && event.shiftKey) field.current?.focus();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
    // Only when the page opens: turning a phone moves no focus.
    // oxlint-disable-next-line exhaustive-deps
  }, [field]);
}

/** Escape, unless it closes something that lies over the page. */
function useEscape(stop: (() => void) | null): void {
  const latest = useRef(stop);
  latest.current = stop;
  useEffect(() => {
    const onKeyDown = (event: globalThis.KeyboardEvent): void => {
      if (event.key !== "Escape" || event.shiftKey || event.defaultPrevented || event.isComposing) return;
      if (document.querySelector('dialog[open], [role="menu"]') === null) latest.current?.();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
}
