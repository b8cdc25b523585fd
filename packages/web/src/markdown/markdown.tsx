import type { ReactNode } from "react";

interface MarkdownProps {
  readonly text: string;
  /** it is still being written: its end may be half of something */
  readonly isStreaming: boolean;
}

/** A message's text. */
export function Markdown({ text }: MarkdownProps): ReactNode {
  return <div className="whitespace-pre-wrap wrap-anywhere">{text}</div>;
}
