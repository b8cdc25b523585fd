import { BackscrollApiError } from "backscroll-client";
import { type FormEvent, type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { client } from "../server/client.ts";
import { inWords } from "../server/query-client.ts";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { focusMessage } from "./focus.ts";
import { edit } from "./message-editing.ts";
import { isLastQuestion, lastReplyId } from "./message-places.ts";
import type { ThreadMessage } from "./thread-message.ts";
import type { ThreadStore } from "./thread-store.ts";
import { regenerate } from "./turns.ts";

interface MessageEditorProps {
  readonly thread: ThreadStore;
  /** a stored one of the user's */
  readonly message: ThreadMessage;
}

/** Stands in the place of a message's text while that is edited. */
export function MessageEditor({ thread, message }: MessageEditorProps): ReactNode {
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(message.content);
  const [error, setError] = useState<unknown>(null);
  const [isSaving, setSaving] = useState(false);
  const canAsk = isLastQuestion(thread, message.id);
  useEffect(() => field.current?.focus(), []);
  const close = (): void => {
    edit(null);
    // Once it stands there again.
    requestAnimationFrame(() => focusMessage(message.id));
  };
  const save = async ({ andAsk }: { andAsk: boolean }): Promise<void> => {
    if (message.stored === null || text.trim() === "" || isSaving) return;
    setSaving(true);
    try {
      const { version } = message.stored;
      const edited = await client.editMessage(thread.conversationId, message.id, {
        content: text,
        expected_version: version,
      });
      thread.upsert([edited]);
      announce("Saved");
      close();
      const replyId = lastReplyId(thread);
      if (andAsk && replyId !== null) regenerate(thread, replyId);
    } catch (error) {
      setError(error);
      setSaving(false);
    }
  };
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    void save({ andAsk: canAsk });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (event.key === "Enter" && !event.shiftKey) onSubmit(event);
  };
  return (
    <form aria-label="Edit message" onSubmit={onSubmit} className="grid w-full gap-2">
      <textarea
        ref={field}
        aria-label="Text"
        value={text}
        rows={Math.min(12, text.split("\n").length + 1)}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        className="w-full resize-y rounded-m border border-control bg-bg px-3 py-2 text-16 leading-6 md:text-15"
      />
      {error !== null && (
        <p role="alert" className="text-13 text-err">
          {error instanceof BackscrollApiError && error.code === "version_conflict"
            ? "It was changed elsewhere meanwhile. Copy your text, cancel, and look at it again."
            : `Not saved. ${inWords(error)}`}
        </p>
      )}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={close}>Cancel</Button>
        <Button disabled={isSaving || text.trim() === ""} onClick={() => void save({ andAsk: false })}>
          Save
        </Button>
        {canAsk && (
          <Button kind="primary" type="submit" disabled={isSaving || text.trim() === ""}>
            Save and ask again
          </Button>
        )}
      </div>
    </form>
  );
}
