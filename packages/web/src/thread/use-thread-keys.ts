import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { tinykeys } from "tinykeys";
import { copyText } from "../ui/copy.ts";
import { edit } from "./message-editing.ts";
import { lastReplyId } from "./message-places.ts";
import type { ThreadMessage } from "./thread-message.ts";
import type { ThreadRows } from "./thread-rows.ts";
import type { ThreadStore } from "./thread-store.ts";
import { regenerate } from "./turns.ts";

/**
 * c copies the message in focus, e edits it and r has it written again, where its buttons would; j and k go to the next and the previous message, Home
 * and End to the first and the last one of the conversation.
 */
export function useThreadKeys(thread: ThreadStore, { places }: ThreadRows, focusMessage: (id: string) => void): void {
  // Focused when the list shows it: it may have to be read first.
  const [wanted, setWanted] = useState<{ readonly id: string } | null>(null);
  const done = useRef(wanted);
  useLayoutEffect(() => {
    if (wanted === null || done.current === wanted || !places.has(wanted.id)) return;
    done.current = wanted;
    focusMessage(wanted.id);
  }, [wanted, places, focusMessage]);
  useEffect(() => {
    const go = (find: () => Promise<string | undefined>) => (event: KeyboardEvent) => {
      event.preventDefault();
      void find().then((id) => id !== undefined && setWanted({ id }));
    };
    return tinykeys(
      globalThis.window,
      {
        j: go(() => beside(thread, 1)),
        k: go(() => beside(thread, -1)),
        Home: go(async () => ((await thread.openOldest()) === "shown" ? thread.ids[0] : undefined)),
        c: on(thread, ({ content }) => void copyText(content)),
        e: on(thread, ({ id, role, state }) => role === "user" && state === "stored" && edit(id)),
        r: on(thread, ({ id }) => id === lastReplyId(thread) && regenerate(thread, id)),
        End: go(async () => ((await thread.openNewest()) === "shown" ? thread.ids.at(-1) : undefined)),
      },
      { ignore: isForSomethingElse },
    );
  }, [thread]);
}

/** @returns what does something with the message in focus, if there is one */
function on(thread: ThreadStore, does: (message: ThreadMessage) => unknown): (event: KeyboardEvent) => void {
  return (event) => {
    const message = thread.message(focusedMessageId() ?? "");
    if (message === null) return;
    event.preventDefault();
    does(message);
  };
}

/** @returns the message that far from the one focused, which is read if it has to be; without one, a message that is seen */
async function beside(thread: ThreadStore, step: 1 | -1): Promise<string | undefined> {
  const focused = focusedMessageId();
  if (focused === null) return seenMessageId(step);
  const isEdge = thread.ids.at(step === 1 ? -1 : 0) === focused;
  if (isEdge) await (step === 1 ? thread.loadNewer() : thread.loadOlder());
  return thread.ids[thread.ids.indexOf(focused) + step];
}

/** @returns the message that the focus is in; null: it is somewhere else */
export function focusedMessageId(): string | null {
  return document.activeElement?.closest("[data-message-id]")?.getAttribute("data-message-id") ?? null;
}

/** @returns the first message that is seen whole, or for going back the last one */
function seenMessageId(step: 1 | -1): string | undefined {
  const log = document.querySelector('[role="log"]')?.getBoundingClientRect();
  if (!log) return undefined;
  const rows = [...document.querySelectorAll("[data-message-id]")]
    .map((row) => ({ id: row.getAttribute("data-message-id") ?? "", ...row.getBoundingClientRect().toJSON() }))
    .filter(({ top, bottom }) => bottom > log.top && top < log.bottom)
    .toSorted((a, b) => a.top - b.top);
  return (step === 1 ? (rows.find(({ top }) => top >= log.top) ?? rows[0]) : rows.at(-1))?.id;
}

/** A key alone is text where text is written, and is another's where something lies over the page. */
function isForSomethingElse(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return true;
  const { target } = event;
  if (!(target instanceof Element)) return false;
  return (
    target.matches("input, textarea, select, [contenteditable]") ||
    document.querySelector("dialog[open], [role=menu]") !== null
  );
}
