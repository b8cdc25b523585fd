import { type UIMessage, DefaultChatTransport, readUIMessageStream } from "ai";
import { BackscrollApiError, createClient } from "backscroll-client";

/** What a page of another origin got of a service, by the SDK and by the AI SDK's transport. */
export interface Got {
  readonly reply: string;
  readonly change: string;
  readonly exported: boolean;
  readonly refusal: unknown;
  readonly chat: string;
}

async function callAcross(baseUrl: string, token: string): Promise<Got> {
  const headers = { authorization: `Bearer ${token}`, "x-request-id": "from-a-page" };
  const client = createClient({ baseUrl, headers, retries: 0 });
  // Throws where it is not allowed; following changes would go on trying.
  await client.getMe();
  const changes = client.followChanges();
  await changes.next();
  const { conversation_id: id } = await client.createConversation({ title: "from elsewhere" });
  const { value: change } = await changes.next();
  await changes.return?.();
  const reply = await client.streamMessage({ message: "Hello", conversation_id: id }).finalText();
  await client.updateConversation(id, { pinned: true });
  const exported = (await new Response(await client.exportMe()).json()) as { backscroll_export: number };
  await client.deleteConversation(id);
  const refusal = await client.getConversation(id).catch((error: unknown) => error);
  return {
    reply,
    change: change?.type ?? "",
    exported: exported.backscroll_export === 1,
    refusal: refusal instanceof BackscrollApiError ? [refusal.code, refusal.requestId] : String(refusal),
    chat: await chatAcross(baseUrl, headers),
  };
}

async function chatAcross(baseUrl: string, headers: Record<string, string>): Promise<string> {
  const transport = new DefaultChatTransport<UIMessage>({
    api: `${baseUrl}/api/chat`,
    headers,
    credentials: "include",
  });
  const stream = await transport.sendMessages({
    trigger: "submit-message",
    chatId: "a-chat",
    messageId: undefined,
    messages: [{ id: "q", role: "user", parts: [{ type: "text", text: "Hello" }] }],
    abortSignal: undefined,
  });
  let text = "";
  for await (const { parts } of readUIMessageStream({ stream })) {
    text = parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  }
  return text;
}

Object.assign(globalThis, { callAcross });
