import type { ReactNode } from "react";
import { inWords } from "../server/query-client.ts";
import { Button } from "../ui/button.tsx";
import { useAfter } from "../ui/delayed.tsx";
import { FailureRow } from "../ui/failure-row.tsx";
import { setDraft } from "./drafts.ts";
import { focusComposer } from "./focus.ts";
import type { ThreadMessage } from "./thread-message.ts";
import type { ThreadStore } from "./thread-store.ts";
import { lastReplyId, openQuestion } from "./message-places.ts";
import { askAgain, regenerate, sendMessage } from "./turns.ts";
import { useTurnState } from "./turn-states.ts";
import { useThreadIds, useThreadState } from "./use-thread.ts";

const UNANSWERED_MS = 1_500;

interface UnsentActionsProps {
  readonly thread: ThreadStore;
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

/** Stands under the last message when its reply came to nothing, now or before the page was opened. */
export function ReplyFailure({ thread }: { readonly thread: ThreadStore }): ReactNode {
  const { failure, phase } = useTurnState(thread.conversationId);
  const { runningReplyId } = useThreadState(thread);
  useThreadIds(thread);
  const question = openQuestion(thread);
  if (phase !== "idle") return null;
  if (failure !== null) {
    return (
      <FailureRow what="The reply failed." error={failure.error} onRetry={() => askAgain(thread, failure.question)} />
    );
  }
  if (question === null || runningReplyId !== null) return null;
  return <Unanswered key={question.id} onRetry={() => askAgain(thread, question)} />;
}

/** Not at once: a reply that another page asked for is heard of a moment after its question. */
function Unanswered({ onRetry }: { readonly onRetry: () => void }): ReactNode {
  const isLate = useAfter(UNANSWERED_MS);
  if (!isLate) return null;
  return (
    <div className="flex flex-wrap items-center justify-center gap-x-3 gap-y-1 p-4 text-14 text-ink2">
      No reply came.
      <Button onClick={onRetry}>Retry</Button>
    </div>
  );
}

/** Beside how the conversation's last reply ended, when that was not by itself and nobody wanted it. */
export function RetryReply({ thread, message }: UnsentActionsProps): ReactNode {
  const { phase, failure } = useTurnState(thread.conversationId);
  const ids = useThreadIds(thread);
  // What failed here says more, and has its own.
  if (failure !== null) return null;
  if (ids.at(-1) !== message.id || lastReplyId(thread) !== message.id) return null;
  return (
    <Button disabled={phase !== "idle"} onClick={() => regenerate(thread, message.id)}>
      Retry
    </Button>
  );
}
