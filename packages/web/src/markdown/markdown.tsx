import { type ReactNode, useMemo, useRef } from "react";
import { BlockView } from "./block.tsx";
import { type Block, blocksOf, GrowingBlocks } from "./blocks.ts";

interface MarkdownProps {
  readonly text: string;
  /** it is still being written: its end may be half of something */
  readonly isStreaming: boolean;
}

/** A message's text. Whatever it is, nothing of it becomes HTML: it is read, and elements of ours show it. */
export function Markdown({ text, isStreaming }: MarkdownProps): ReactNode {
  return useBlocks(text, isStreaming).map(({ token, level, isOpen }, at) => (
    // oxlint-disable-next-line no-array-index-key -- blocks are only ever added at the end
    <BlockView key={at} token={token} level={level} isOpen={isOpen} />
  ));
}

function useBlocks(text: string, isStreaming: boolean): readonly Block[] {
  const growing = useRef<GrowingBlocks>(null);
  return useMemo(() => {
    if (!isStreaming) return blocksOf(text);
    growing.current ??= new GrowingBlocks();
    return growing.current.read(text);
  }, [text, isStreaming]);
}
