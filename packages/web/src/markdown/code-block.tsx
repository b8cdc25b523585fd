import { Check, Copy } from "lucide-react";
import { memo, type ReactNode, startTransition, useEffect, useMemo, useState } from "react";
import { useCopied } from "../ui/copy.ts";
import { IconButton } from "../ui/button.tsx";
import { classNames } from "../ui/class-names.ts";
import { type CodePiece, cutInLines } from "./code-pieces.ts";
import { highlight } from "./highlight.ts";

/** Longer code stays plain. */
const COLOURED_CHARS_MAX = 50_000;
/** What is out of sight is not laid out, so many lines at a time. */
const CHUNK_LINES = 100;
const LINE_PX = 20;
/** Beyond that it scrolls by itself, so that one gets past it. */
const FREE_LINES = 400;

interface CodeBlockProps {
  readonly code: string;
  /** what stands behind the fence */
  readonly language: string | undefined;
  readonly isOpen: boolean;
}

export function CodeBlock({ code, language = "", isOpen }: CodeBlockProps): ReactNode {
  const [isCopied, copy] = useCopied();
  const name = /^[\w+#.-]{1,20}/.exec(language)?.[0].toLowerCase() ?? "";
  const chunks = useChunks(code, isOpen || code.length > COLOURED_CHARS_MAX ? "" : name);
  const isLong = chunks.length * CHUNK_LINES > FREE_LINES;
  return (
    <figure className="overflow-hidden rounded-m border border-line bg-code">
      <figcaption className="flex h-9 items-center justify-between border-b border-line ps-3 pe-1 text-12 text-ink2">
        <span>{name === "" ? "code" : name}</span>
        <IconButton label="Copy code" onClick={() => copy(code)}>
          {isCopied ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
        </IconButton>
      </figcaption>
      <pre
        tabIndex={0}
        role="group"
        aria-label={name === "" ? "Code" : `Code, ${name}`}
        className={classNames(
          "overflow-auto py-2 font-mono text-13 leading-5 outline-offset-[-2px]",
          isLong && "max-h-[70dvh]",
        )}
      >
        <code className="block w-max min-w-full">
          {chunks.map((pieces, at) => (
            <Chunk key={at} pieces={pieces} isLast={at === chunks.length - 1} />
          ))}
        </code>
      </pre>
    </figure>
  );
}

const Chunk = memo(function Chunk({
  pieces,
  isLast,
}: {
  readonly pieces: readonly CodePiece[];
  readonly isLast: boolean;
}): ReactNode {
  return (
    <span
      className="block px-3 [content-visibility:auto]"
      style={{ containIntrinsicSize: `auto 600px auto ${(isLast ? 1 : CHUNK_LINES) * LINE_PX}px` }}
    >
      {pieces.map(({ text, kind }, at) =>
        kind === null ? (
          text
        ) : (
          <span key={at} className={`code-${kind}`}>
            {text}
          </span>
        ),
      )}
    </span>
  );
});

/** @param language "": it stays plain @returns the code's lines, a hundred at a time, coloured once that is known */
function useChunks(code: string, language: string): readonly (readonly CodePiece[])[] {
  const [coloured, setColoured] = useState<{ readonly code: string; readonly pieces: readonly CodePiece[] } | null>(
    null,
  );
  useEffect(() => {
    if (language === "") return;
    let isGone = false;
    const colour = async (): Promise<void> => {
      const pieces = await highlight(code, language);
      if (!isGone && pieces !== null) startTransition(() => setColoured({ code, pieces }));
    };
    void colour();
    return () => {
      isGone = true;
    };
  }, [code, language]);
  return useMemo(() => {
    const pieces = coloured?.code === code ? coloured.pieces : [{ text: code, kind: null }];
    return cutInLines(pieces, CHUNK_LINES);
  }, [code, coloured]);
}
