import { Check, Copy, Pencil, RefreshCw, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { client } from "../server/client.ts";
import { inWords } from "../server/query-client.ts";
import { announce } from "../ui/announcer.tsx";
import { Button, IconButton } from "../ui/button.tsx";
import { useCopied } from "../ui/copy.ts";
import { Dialog } from "../ui/dialog.tsx";
import { toastError } from "../ui/toasts.tsx";
import { focusComposer, focusMessage } from "./focus.ts";
import { edit } from "./message-editing.ts";
import { lastReplyId, neighbourOf } from "./message-places.ts";
import type { ThreadMessage } from "./thread-message.ts";
import type { ThreadStore } from "./thread-store.ts";
import { regenerate } from "./turns.ts";
import { useTurnState } from "./turn-states.ts";
import { useThreadIds } from "./use-thread.ts";

interface MessageActionsProps {
  readonly thread: ThreadStore;
  readonly message: ThreadMessage;
}

/** What can be done with a stored message. */
export function MessageActions({ thread, message }: MessageActionsProps): ReactNode {
  const [isAsked, setAsked] = useState(false);
  const { phase } = useTurnState(thread.conversationId);
  const isLastReply = useThreadIds(thread).at(-1) === message.id && lastReplyId(thread) === message.id;
  if (message.state !== "stored") return null;
  return (
    <div role="group" aria-label="Message actions" className="flex gap-1">
      <CopyButton text={message.content} />
      {message.role === "user" && (
        <IconButton label="Edit" onClick={() => edit(message.id)}>
          <Pencil size={15} aria-hidden />
        </IconButton>
      )}
      {isLastReply && (
        <IconButton label="Regenerate" disabled={phase !== "idle"} onClick={() => regenerate(thread, message.id)}>
          <RefreshCw size={15} aria-hidden />
        </IconButton>
      )}
      <IconButton label="Delete" onClick={() => setAsked(true)}>
        <Trash2 size={15} aria-hidden />
      </IconButton>
      {isAsked && (
        <Dialog title="Delete this message?" onClose={() => setAsked(false)}>
          <p className="text-14">It is deleted for good, and the model is not shown it any more.</p>
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setAsked(false)}>Cancel</Button>
            <Button
              kind="danger"
              onClick={() => {
                setAsked(false);
                void deleteMessage(thread, message.id);
              }}
            >
              Delete
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

function CopyButton({ text }: { readonly text: string }): ReactNode {
  const [isCopied, copy] = useCopied();
  return (
    <IconButton label="Copy" onClick={() => copy(text)}>
      {isCopied ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
    </IconButton>
  );
}

async function deleteMessage(thread: ThreadStore, id: string): Promise<void> {
  const neighbour = neighbourOf(thread, id);
  const putBack = thread.remove(id);
  requestAnimationFrame(() => {
    if (neighbour === null || !focusMessage(neighbour)) focusComposer();
  });
  try {
    await client.deleteMessage(thread.conversationId, id);
    announce("Deleted");
  } catch (error) {
    putBack();
    toastError(`The message was not deleted. ${inWords(error)}`);
  }
}
