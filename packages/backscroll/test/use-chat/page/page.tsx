import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, type UIMessage } from "ai";
import { type ReactNode, type SubmitEvent, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

interface StoredMessage {
  readonly id: string;
  readonly role: UIMessage["role"];
  readonly content: string;
  readonly status: string;
}

type ChatMessage = UIMessage<{ status?: string; user_message_id?: string }>;

/** A chat as the AI SDK's documentation builds one, with two effects of time that an application has to see to itself. */
function Chat({ id, stored }: { readonly id: string | null; readonly stored: ChatMessage[] }): ReactNode {
  const [text, setText] = useState("");
  const chat = useChat<ChatMessage>({
    ...(id !== null && { id }),
    messages: stored,
    resume: true,
    transport: new DefaultChatTransport({ api: "/api/chat" }),
  });
  // Of a reply that ended between the history and this, nothing runs any more: then the history has it.
  const resume = async (): Promise<void> => {
    await chat.resumeStream();
    const again = await storedMessages(chat.id);
    chat.setMessages((shown) => (shown.at(-1)?.role === "user" ? again : shown));
  };
  useEffect(() => {
    if (stored.at(-1)?.role === "user") void resume();
  }, []);
  useEffect(() => window.history.replaceState(null, "", `?chat=${encodeURIComponent(chat.id)}`), [chat.id]);

  const send = (event: SubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    setText("");
    void chat.sendMessage({ text });
  };
  // Closing the connection does not stop the reply: that is asked for.
  const stop = async (): Promise<void> => {
    await chat.stop();
    await fetch(`/api/chat/${encodeURIComponent(chat.id)}/stop`, { method: "POST" });
  };

  return (
    <>
      <ol>{withoutReplaced(chat.messages).map(bubble)}</ol>
      {chat.error && <p id="error">{chat.error.message}</p>}
      <p id="status">{chat.status}</p>
      <form onSubmit={send}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} required />
        <button type="submit">Send</button>
        <button type="button" onClick={() => void stop()}>
          Stop
        </button>
        <button type="button" onClick={() => void chat.regenerate()}>
          Regenerate
        </button>
        <button type="button" onClick={() => void chat.resumeStream()}>
          Reconnect
        </button>
      </form>
    </>
  );
}

/** While a reply is written again, the history has the one before it. */
function withoutReplaced(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const reply = messages.at(-1);
  const question = messages.findIndex(({ id }) => id === reply?.metadata?.user_message_id);
  return reply === undefined || question === -1 ? messages : [...messages.slice(0, question + 1), reply];
}

function bubble(message: ChatMessage): ReactNode {
  const status = message.metadata?.status;
  return (
    <li key={message.id} data-role={message.role} data-id={message.id}>
      <span>{message.parts.map((part) => (part.type === "text" ? part.text : ""))}</span>
      {status !== undefined && status !== "complete" && <small> ({status})</small>}
    </li>
  );
}

async function storedMessages(id: string): Promise<ChatMessage[]> {
  const response = await fetch(`/api/conversations/${encodeURIComponent(id)}/messages?page=1`);
  if (response.status === 404) return []; // nothing of it was saved yet
  if (!response.ok) throw new Error(await response.text());
  const { messages } = (await response.json()) as { messages: StoredMessage[] };
  return messages.map(({ id, role, content, status }) => ({
    id,
    role,
    metadata: { status },
    parts: [{ type: "text", text: content }],
  }));
}

const id = new URL(window.location.href).searchParams.get("chat");
const stored = id === null ? [] : await storedMessages(id);
createRoot(document.querySelector("main") as HTMLElement).render(<Chat id={id} stored={stored} />);
