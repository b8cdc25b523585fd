/** The words by which people call things of a conversation. Names decide nothing alone: see `evidence.ts`. */

const MESSAGES =
  /^_*(messages?|msgs?|(chat|message|conversation|dialog)?_?history|history|conversations?|turns|transcript|dialog(ue)?s?|exchanges|logs?|chat_?log|chats?|(message|msg)_?(list|log)|(past|previous)_?messages|thread|contents)$/i;
const CONTEXT =
  /^_*(context|ctx|state|metadata|meta|data|vars|variables|slots|profile|pref(erence)?s|settings|attributes)$/i;

export function isMessagesField(name: string): boolean {
  return MESSAGES.test(name);
}

/** Of a function: `messages`, `get_history`, `loadMessages`. */
export function givesMessages(name: string): boolean {
  return /^(get|load|list|recent|fetch)?_?(chat_?)?(messages|history)$/i.test(name);
}

export function isContextField(name: string): boolean {
  return CONTEXT.test(name);
}

/** Of a dictionary: `SESSIONS`, `chat_histories`, `conversationStore`. */
export function namesConversations(name: string): boolean {
  return /session|chat|conv(o|ersation)|histor|dialog|threads|thread_|transcript|messages|msgs|turns|memor(y|ies)/i.test(
    name,
  );
}

/** Of a dictionary of messages for certain: games, wizards and databases have sessions, too. */
export function namesMessages(name: string): boolean {
  return /chat|conv(o|ersation)|histor|dialog|transcript|messages|msgs|turns|memor(y|ies)/i.test(name);
}

/** Of a key: `session_id`, `sid`, `req.body.conversationId`, `ctx.chat.id`. */
export function namesSession(key: string): boolean {
  return /session|\bs_?id\b|conv(o|ersation)?_?id|\bconv(o|ersation)?\b|\bc_?id\b|chat_?\.?id|chat\b|thread|dialog/i.test(
    key,
  );
}

/** Whether a line says anything of conversations at all. */
export function speaksOfConversations(source: string): boolean {
  return namesConversations(source) || namesMessage(source);
}

/** Whether messages are made or kept in it: `role`, `.messages`, `HumanMessage(`. */
export function handlesMessages(source: string): boolean {
  return /["'`]role["'`]|\brole\s*[:=]|\.(messages|history)\b|["'](messages|history)["']|\b\w*(Human|AI|Chat)Message\w*|\w(History|Memory)\b/i.test(
    source,
  );
}

/** A message beyond doubt: `{role, content}`, an object of a class of messages, `("user", text)`. */
export function looksLikeMessage(source: string): boolean {
  return (
    /["']?\b(role|sender|speaker)\b["']?\s*[:=,}]/i.test(source) ||
    /^\(?\s*["'](user|human|assistant|ai|bot|system)["']\s*,/i.test(source) ||
    /\b(Human|AI|System|User|Assistant|Chat)_?Message(Param)?\s*\(/.test(source) ||
    /^f?["'`](user|human|assistant|bot|ai|question|query)\s*:/i.test(source)
  );
}

/** Called a message, whatever it is. */
export function namesMessage(source: string): boolean {
  return /message|\bmsg|\bturn\b/i.test(source);
}

/** A value that holds messages: a literal with a list of them, or an object of a class of histories. */
export function looksLikeSession(source: string): boolean {
  return (
    /["']?\b(messages|msgs|history|chat_?history|conversation|turns|transcript|dialogu?e?)\b["']?\s*[:=]\s*(\[|list\(|deque\(|field|\w*(messages|history)\w*)/i.test(
      source,
    ) ||
    /\b\w*(ChatSession|ChatHistory|MessageHistory|ConversationBuffer|BufferMemory|Conversation|ChatMemory|Memory|startChat|start_chat)\w*\s*\(/.test(
      source,
    )
  );
}

/** Of the declaration of a type: it has a field of messages. */
export function declaresMessages(source: string): boolean {
  return /\b(messages|msgs|history|chat_?history|conversation|turns|transcript|dialogu?e?)\b\??\s*[:=]/i.test(source);
}

/** What dictionaries keyed by a session hold when it is no conversation: sockets, locks, counters. */
export function looksLikeOther(source: string): boolean {
  return /socket|\bws\b|connection|\bconn\b|transport|lock|mutex|semaphore|queue|\btask\b|timer|timeout|interval|stream|emitter|subscriber|client|browser|page\b|process|Session\(\)|SessionLocal\(|\.Session\(|AsyncSession|ClientSession|sessionmaker|\bEvent\(|^\d|Date\.now|time\(\)|true\b|false\b/i.test(
    source,
  );
}
