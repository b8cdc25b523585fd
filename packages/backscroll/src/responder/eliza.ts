import { abortFailure } from "./failure.ts";
import type { ContextMessage, Responder, ResponderDelta, RespondRequest } from "./responder.ts";

/** `$1` … stand for what the pattern captured, turned round. */
interface Rule {
  readonly pattern: RegExp;
  readonly answers: readonly string[];
}

const DESCRIPTION = "ELIZA (offline demo)";
const WORDS_PER_PIECE = 3;
/** Longer text is cut: the patterns are for sentences, and their time grows with the length. */
const CHARS_READ_MAX = 1000;

const INTRODUCTION =
  "I'm ELIZA, a small offline demo after the program of 1966: I match patterns and understand nothing. " +
  "For a real model, set MODEL (for example openai/gpt-5-mini) or RESPONDER_URL and start again.";

/**
 * Highest rank first: the first rule that matches a clause answers. The idea and the manner are those of
 * Joseph Weizenbaum, "ELIZA", Communications of the ACM 9(1), 1966; the script is our own.
 */
const RULES: readonly Rule[] = [
  rule(
    /\b(?:computer|machine|robot|llm|chatbot)s?\b/,
    "Do computers worry you?",
    "Why do you mention machines?",
    "What do machines have to do with it?",
  ),
  rule(
    /\bremember (.+)/,
    "Do you often think of $1?",
    "What else comes to mind with $1?",
    "Why do you remember $1 just now?",
  ),
  rule(/\bif (.+)/, "Do you think it's likely that $1?", "What would follow, if $1?", "Do you wish that $1?"),
  rule(
    /\b(?:dreamed|dreamt|dream) (?:of|about|that) (.+)/,
    "Have you thought of $1 while awake?",
    "What does $1 suggest to you?",
  ),
  rule(
    /\bmy (mother|father|mom|dad|sister|brother|wife|husband|son|daughter|family)\b/,
    "Tell me more about your $1.",
    "How do you get on with your $1?",
    "Who else in your family matters here?",
  ),
  rule(/\bi(?: would|'d) like (?:to )?(.+)/, "What would it mean to you, $1?", "What keeps you from it?"),
  rule(/\bi (?:want|need) (.+)/, "Why do you want $1?", "Suppose you got $1: what then?", "What if you never got $1?"),
  rule(
    /\bi(?: am|'m) (?:very |so |really )?(sad|unhappy|tired|afraid|lonely|depressed|sick|worried|stuck)\b/,
    "I'm sorry to hear that you are $1.",
    "How long have you been $1?",
    "What would make you less $1?",
  ),
  rule(
    /\bi(?: am|'m) (?:very |so |really )?(happy|glad|excited|proud|better)\b/,
    "What makes you $1?",
    "How have I helped you to be $1?",
    "Who knows that you are $1?",
  ),
  rule(
    /\bi(?: am|'m) (.+)/,
    "How long have you been $1?",
    "Do you believe it's normal to be $1?",
    "Do you enjoy being $1?",
  ),
  rule(
    /\bi (?:can't|cannot|can not) (.+)/,
    "How do you know you can't $1?",
    "Have you tried to $1?",
    "What would happen if you could $1?",
  ),
  rule(/\bi (?:don't|do not) (.+)/, "Why don't you $1?", "Do you wish to $1?", "Does that trouble you?"),
  rule(/\bi feel (.+)/, "Do you often feel $1?", "When do you feel $1?", "What does feeling $1 remind you of?"),
  rule(
    /\bi (?:think|believe) (?:that )?(.+)/,
    "Do you really think $1?",
    "What makes you sure that $1?",
    "Does anybody doubt that $1?",
  ),
  rule(
    /\b(?:are you|you are|you're) (.+)/,
    "What makes you ask about me?",
    "Would it please you if I were $1?",
    "Perhaps you'd like to be $1.",
  ),
  rule(/\byou (.+) me\b/, "What makes you think I $1 you?", "Do you want me to $1 you?"),
  rule(/\bcan you (.+)/, "You'd like me to $1?", "Perhaps you could $1 yourself.", "What if I could not $1?"),
  rule(/\bwhy (?:don't|can't) (i|you) (.+)/, "Why do you think that is?", "What would change if it were otherwise?"),
  rule(
    /\bbecause (.+)/,
    "Is that the real reason?",
    "What other reasons are there?",
    "Does that explain anything else?",
  ),
  rule(/\b(?:sorry|apolog\w+)\b/, "There's no need to apologise.", "What do you feel when you apologise?"),
  rule(
    /\b(?:always|never|everybody|everyone|nobody)\b/,
    "Can you think of an example?",
    "Really without exception?",
    "Who in particular?",
  ),
  rule(
    /\b(?:what|how|who|where|when|why)\b/,
    "Why do you ask?",
    "What do you think?",
    "What answer would please you most?",
  ),
  rule(/\b(?:hello|hi|hey)\b/, "Hello. What's on your mind?", "How do you do. Tell me what brings you here."),
  rule(/\b(?:thanks|thank you)\b/, "You're welcome. What else is there?", "What are you thankful for?"),
  rule(/\b(?:yes|yeah|sure)\b/, "You seem quite certain.", "I see. Tell me more."),
  rule(/\b(?:no|nope)\b/, "Why not?", "Are you saying no just to be negative?"),
  rule(/\bmy (.+)/, "Why your $1?", "Does it matter to you that it's your $1?", "Tell me more about your $1."),
];

const NOTHING_MATCHED = [
  "Please go on.",
  "I'm not sure I follow. Say it another way?",
  "What does that suggest to you?",
  "Tell me more.",
  "How do you feel about that?",
];

/** A Map, not an object: people say "constructor" too. */
const REFLECTIONS: ReadonlyMap<string, string> = new Map([
  ["i", "you"],
  ["me", "you"],
  ["my", "your"],
  ["mine", "yours"],
  ["myself", "yourself"],
  ["am", "are"],
  ["i'm", "you're"],
  ["i've", "you've"],
  ["i'll", "you'll"],
  ["i'd", "you'd"],
  ["you", "I"],
  ["your", "my"],
  ["yours", "mine"],
  ["yourself", "myself"],
  ["you're", "I'm"],
  ["you've", "I've"],
  ["you'll", "I'll"],
  ["you'd", "I'd"],
]);

/**
 * Answers without a network, a key or a cost, so that the first run works. The answer depends on the
 * context alone: any server gives the same one, and a retry repeats it.
 */
export function createElizaResponder(): Responder {
  return { description: DESCRIPTION, respond };
}

async function* respond({ messages, signal }: RespondRequest): AsyncGenerator<ResponderDelta> {
  for (const text of pieces(answer(messages))) {
    if (signal.aborted) throw abortFailure(signal, DESCRIPTION);
    yield { type: "text", text };
  }
  yield { type: "usage", tokensUsed: null, model: "eliza" };
}

function answer(messages: readonly ContextMessage[]): string {
  const said = messages.filter((message) => message.role === "user").map((message) => readable(message.content));
  const answered = messages.filter((message) => message.role === "assistant").map((message) => message.content);
  const turn = Math.max(0, said.length - 1);
  const reply =
    match(said.at(-1) ?? "", turn) ?? recall(said.slice(0, -1), turn, answered) ?? pick(NOTHING_MATCHED, turn);
  return answered.length === 0 ? `${INTRODUCTION}\n\n${reply}` : reply;
}

function match(text: string, turn: number): string | null {
  const clauses = text.split(/[.,;:!?\n]+/);
  for (const { pattern, answers } of RULES) {
    for (const clause of clauses) {
      const found = pattern.exec(clause);
      if (found !== null)
        return pick(answers, turn).replace(/\$(\d)/g, (_, group: string) => reflect(found[Number(group)] ?? ""));
    }
  }
  return null;
}

/** Weizenbaum's MEMORY: with nothing to say, go back to something of theirs, once each. */
function recall(earlier: readonly string[], turn: number, answered: readonly string[]): string | null {
  if (turn % 2 === 0) return null;
  for (const text of earlier) {
    const mine = /\bmy [^.,;:!?\n]+/.exec(text)?.[0];
    const reply = mine === undefined ? null : `Earlier you said "${mine.trim()}". Is that still on your mind?`;
    if (reply !== null && !answered.includes(reply)) return reply;
  }
  return null;
}

function pick(answers: readonly string[], turn: number): string {
  return answers[turn % answers.length] ?? "";
}

function reflect(words: string): string {
  return words
    .trim()
    .split(/\s+/)
    .map((word) => REFLECTIONS.get(word) ?? word)
    .join(" ");
}

/** Lower case, plain apostrophes; well formed, because the cut may fall inside a character. */
function readable(content: string): string {
  return content.slice(0, CHARS_READ_MAX).toWellFormed().toLowerCase().replaceAll("’", "'");
}

function pieces(text: string): string[] {
  const words = text.match(/\S+\s*/g) ?? [];
  const found: string[] = [];
  for (let i = 0; i < words.length; i += WORDS_PER_PIECE) found.push(words.slice(i, i + WORDS_PER_PIECE).join(""));
  return found;
}

function rule(pattern: RegExp, ...answers: string[]): Rule {
  return { pattern, answers };
}
