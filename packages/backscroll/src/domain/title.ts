/** UTF-16 code units of a title made here, "…" included. */
const TITLE_CHARS_MAX = 60;
/** What comes after it is not looked at: a title is in the beginning, and the patterns' time is bounded. */
const CHARS_READ_MAX = 2_000;
/** Shorter sentences at the beginning ("Hi!") say too little alone. */
const SENTENCE_CHARS_MIN = 20;

/** One locale everywhere: the same text makes the same title on every server. */
const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });
const WORDS = new Intl.Segmenter("en", { granularity: "word" });

/** @returns a title from the first line of what somebody wrote, whole characters, at most 60; "" when it has no words */
export function titleFrom(text: string): string {
  const read = text.slice(0, CHARS_READ_MAX).toWellFormed();
  return shortened(firstLine(read.replace(CODE_BLOCKS, "\n")) ?? firstLine(read) ?? "");
}

/** @returns the same of what a model was asked to call a conversation: its thoughts, labels and quotation marks go */
export function titleFromSuggestion(suggestion: string): string {
  const said = suggestion.replace(/^.*<\/think>/su, "").replace(/<think>.*$/su, "");
  const title = titleFrom(said)
    .replace(/^title\s*:\s*/iu, "")
    .replace(/^["'“”„«»‘’「『]+|["'“”«»‘’」』]+$/gu, "");
  return titleFrom(title);
}

const CODE_BLOCKS = /^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|$(?![^]))/gmsu;

/** @returns undefined when no line has words */
function firstLine(text: string): string | undefined {
  const lines = text.split(/[\r\n]+/).map((line) => withoutMarkup(line));
  return lines.find((line) => /[\p{L}\p{N}\p{S}]/u.test(line));
}

/** Markdown's marks and what is not seen; one space between words. */
function withoutMarkup(line: string): string {
  return line
    .replace(/^\s*(?:`{3,}|~{3,}).*$/u, "") // a code block's fence, with its language
    .replace(/^\s*(?:(?:#{1,6}|>|[-*+]|\d{1,3}[.)])\s+)+/u, "")
    .replace(/!?\[([^[\]]*)\]\([^()\s]*\)/gu, "$1")
    .replace(/(?<![\p{L}\p{N}])([*_~]{1,3})(?=\S)|(?<=\S)([*_~]{1,3})(?![\p{L}\p{N}])/gu, "")
    .replaceAll("`", "")
    .replace(/[\p{Cc}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF\s]+/gu, " ") // direction marks would turn the list they are shown in
    .trim();
}

function shortened(line: string): string {
  if (line.length <= TITLE_CHARS_MAX) return line.replace(/[.:;,\s]+$/u, "");
  const sentences = wholeSentences(line);
  if (sentences !== null) return sentences;
  const words = cut(line, TITLE_CHARS_MAX - 1);
  return words === "" ? "" : `${words}…`;
}

function wholeSentences(line: string): string | null {
  const [found] = /^.*[.!?。！？](?=\s|$)/u.exec(line.slice(0, TITLE_CHARS_MAX + 1)) ?? [];
  return found !== undefined && found.length >= SENTENCE_CHARS_MIN ? found.replace(/\.$/u, "") : null;
}

/** At the end of a word; inside a word that would leave half of it empty; never inside a character. */
function cut(line: string, max: number): string {
  const words = beginning(WORDS, line, max).replace(/[^\p{L}\p{N}\p{S}\p{M})\]]+$/u, "");
  return words.length < max / 2 ? beginning(GRAPHEMES, line, max) : words;
}

function beginning(segmenter: Intl.Segmenter, line: string, max: number): string {
  let end = 0;
  for (const { index, segment } of segmenter.segment(line)) {
    if (index + segment.length > max) break;
    end = index + segment.length;
  }
  return line.slice(0, end);
}
