import { type KeyboardEvent, type ReactNode, useRef } from "react";
import { classNames } from "../ui/class-names.ts";

interface RenameFieldProps {
  readonly title: string;
  /** @param title new, and not empty; null: it stays as it was */
  readonly onEnd: (title: string | null, by: "key" | "blur") => void;
  readonly className?: string;
}

const TITLE_CHARS_MAX = 500;

/** Stands where a title is while it is renamed: Enter and leaving it save, Escape does not. */
export function RenameField({ title, onEnd, className }: RenameFieldProps): ReactNode {
  // Removing the field blurs it too.
  const hasEnded = useRef(false);
  const end = (written: string | null, by: "key" | "blur"): void => {
    if (hasEnded.current) return;
    hasEnded.current = true;
    const next = written?.trim() ?? "";
    onEnd(next === "" || next === title ? null : next, by);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    event.stopPropagation();
    if (event.nativeEvent.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    // Escape would close the drawer, too.
    event.preventDefault();
    end(event.key === "Enter" ? event.currentTarget.value : null, "key");
  };
  return (
    <input
      aria-label={`Rename ${title}`}
      autoFocus
      autoComplete="off"
      maxLength={TITLE_CHARS_MAX}
      defaultValue={title}
      onFocus={(event) => event.currentTarget.select()}
      onBlur={(event) => end(event.currentTarget.value, "blur")}
      onKeyDown={onKeyDown}
      className={classNames(
        "min-w-0 rounded-s border border-control bg-raise px-2 outline-offset-0 text-14 text-ink pointer-coarse:text-16",
        className,
      )}
    />
  );
}
