import type { ReactNode } from "react";
import { inWords } from "../server/query-client.ts";
import { Button } from "../ui/button.tsx";
import { FailureRow } from "../ui/failure-row.tsx";
import { setDraft } from "./drafts.ts";
import { focusComposer } from "./focus.ts";
import type { ThreadMessage } from "./thread-message.ts";
import type { ThreadStore } from "./thread-store.ts";
import { askAgain, sendMessage } from "./turns.ts";
import { useTurnState } from "./turn-states.ts";

interface UnsentActionsProps {
  readonly thread: ThreadStore;
  /** one that `failed` */
  readonly message: ThreadMessage;
}

/** What can be done with a message that could not be sent. */
export function UnsentActions({ thread, message }: UnsentActionsProps): ReactNode {
  const { phase } = useTurnState(thread.conversationId);
  const discard = (): void => void thread.remove(message.id);
  return (
    <div role="alert" className="flex flex-wrap items-center justify-end gap-2 text-13">
      <span>
        <span className="text-err">Not sent.</span> <span className="text-ink2">{inWords(message.error)}</span>
      </span>
      <Button disabled={phase !== "idle"} onClick={() => sendMessage(thread, message.content, message.id)}>
        Retry
      </Button>
      <Button
        onClick={() => {
          discard();
          setDraft(thread.conversationId, message.content);
          focusComposer();
        }}
      >
        Edit
      </Button>
      <Button onClick={discard}>Discard</Button>
    </div>
  );
}

/** Stands under the last message when its reply came to nothing. */
export function ReplyFailure({ thread }: { readonly thread: ThreadStore }): ReactNode {
  const { failure, phase } = useTurnState(thread.conversationId);
  if (failure === null || phase !== "idle") return null;
  return (
    <FailureRow what="The reply failed." error={failure.error} onRetry={() => askAgain(thread, failure.question)} />
  );
}
