import type { Role } from "backscroll-client";
import { CircleAlert, CircleSlash, Square } from "lucide-react";
import { memo, type ReactNode, type Ref } from "react";
import { Markdown } from "../markdown/markdown.tsx";
import { classNames } from "../ui/class-names.ts";
import { MessageActions } from "./message-actions.tsx";
import { useIsEditing } from "./message-editing.ts";
import { MessageEditor } from "./message-editor.tsx";
import type { ThreadMessage } from "./thread-message.ts";
import type { ThreadStore } from "./thread-store.ts";
import { momentOf, timeOf } from "./times.ts";
import { RetryReply, UnsentActions } from "./unsent-actions.tsx";
import { useThreadMessage } from "./use-thread.ts";

interface MessageRowProps {
  readonly thread: ThreadStore;
  readonly id: string;
  /** the row's place in the list that is held */
  readonly index: number;
  /** in the whole conversation, from 1 on */
  readonly position: number;
  /** how many messages the conversation has; -1: not known */
  readonly setSize: number;
  /** it was asked for by its address */
  readonly isMarked: boolean;
  readonly ref: Ref<HTMLElement>;
}

const NAMES: Readonly<Record<Role, string>> = {
  user: "You",
  assistant: "Assistant",
  system: "System",
  tool: "Tool",
};
const MARKED = "bg-mark text-on-mark **:text-on-mark";

/** One message: rendered again when that message changes, and not when others do. */
export const MessageRow = memo(function MessageRow({
  thread,
  id,
  index,
  position,
  setSize,
  isMarked,
  ref,
}: MessageRowProps): ReactNode {
  const message = useThreadMessage(thread, id);
  const isEditing = useIsEditing(id);
  if (message === null) return null;
  const { role, created_at: at } = message;
  return (
    <article
      ref={ref}
      data-index={index}
      data-message-id={id}
      aria-label={`${NAMES[role]}, ${timeOf(at)}`}
      aria-posinset={position}
      aria-setsize={setSize}
      tabIndex={-1}
      className="group/message absolute inset-x-0 rounded-m outline-offset-[-2px]"
    >
      <div
        className={classNames(
          "mx-auto grid max-w-192 grid-cols-[minmax(0,1fr)] px-4 py-1.5",
          role === "user" && "justify-items-end",
        )}
      >
        {isEditing && message.stored !== null ? (
          <MessageEditor thread={thread} message={message} />
        ) : (
          <MessageText message={message} isMarked={isMarked} />
        )}
        <MessageStatus thread={thread} message={message} />
        {message.state === "failed" && <UnsentActions thread={thread} message={message} />}
        {message.state === "stored" && !isEditing && <MessageFoot thread={thread} message={message} />}
      </div>
    </article>
  );
});

function MessageText({
  message: { role, content, state },
  isMarked,
}: {
  readonly message: ThreadMessage;
  readonly isMarked: boolean;
}): ReactNode {
  if (role === "user") {
    return (
      <div
        data-message-text
        className={classNames(
          "max-w-[min(85%,640px)] rounded-l px-4 py-2 whitespace-pre-wrap wrap-anywhere",
          isMarked ? MARKED : "bg-soft",
          state === "sending" && "opacity-70",
        )}
      >
        {content}
      </div>
    );
  }
  const isStreaming = state === "writing";
  return (
    <div
      data-message-text
      className={classNames("-mx-3 rounded-m px-3 py-1", isMarked && MARKED, role !== "assistant" && "text-ink2")}
    >
      {role !== "assistant" && <p className="text-12 font-medium">{NAMES[role]}</p>}
      {isStreaming && content === "" ? <Waiting /> : <Markdown text={content} isStreaming={isStreaming} />}
    </div>
  );
}

/** Stands where the first words of a reply will be. */
function Waiting(): ReactNode {
  return (
    <span className="inline-flex h-6 items-center gap-1" aria-hidden>
      {["", "[animation-delay:160ms]", "[animation-delay:320ms]"].map((delay) => (
        <span key={delay} className={classNames("size-1.5 animate-pulse rounded-full bg-ink2", delay)} />
      ))}
    </span>
  );
}

/** How it ended, if that was not by itself. What was written is kept. */
function MessageStatus({
  thread,
  message,
}: {
  readonly thread: ThreadStore;
  readonly message: ThreadMessage;
}): ReactNode {
  const { stored } = message;
  if (stored === null || stored.status === "complete") return null;
  const { icon, text } = STATUSES[stored.status];
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-13">
      <p className="flex items-center gap-1.5 text-warn">
        {icon}
        {text}
      </p>
      {stored.status !== "stopped" && <RetryReply thread={thread} message={message} />}
    </div>
  );
}

const STATUSES = {
  stopped: { icon: <Square size={13} aria-hidden />, text: "Stopped" },
  interrupted: { icon: <CircleSlash size={14} aria-hidden />, text: "Interrupted: the server went away meanwhile" },
  failed: { icon: <CircleAlert size={14} aria-hidden />, text: "Failed: the reply broke off here" },
} as const;

/** When it was said, and what can be done with it: always there, and seen when somebody is at the message. */
function MessageFoot({
  thread,
  message,
}: {
  readonly thread: ThreadStore;
  readonly message: ThreadMessage;
}): ReactNode {
  const { role, created_at: at, stored } = message;
  return (
    <div
      className={classNames(
        "flex min-h-8 flex-wrap items-center gap-x-2 text-12 text-ink2",
        "opacity-0 transition-opacity group-hover/message:opacity-100 group-focus/message:opacity-100",
        "group-focus-within/message:opacity-100 pointer-coarse:opacity-100",
        role === "user" ? "flex-row-reverse" : "-ms-2",
      )}
    >
      <MessageActions thread={thread} message={message} />
      <time dateTime={at} title={momentOf(at)}>
        {timeOf(at)}
      </time>
      {stored !== null && stored.edited_at !== null && <span title={momentOf(stored.edited_at)}>edited</span>}
    </div>
  );
}
