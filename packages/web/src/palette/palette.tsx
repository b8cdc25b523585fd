import { Search } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useId, useLayoutEffect, useRef, useState } from "react";
import { inWords } from "../server/query-client.ts";
import { classNames } from "../ui/class-names.ts";
import { useModal } from "../ui/dialog.tsx";
import { keyNames } from "../ui/keys.ts";
import { MarkedText } from "../ui/marked-text.tsx";
import type { Option } from "./commands.tsx";
import { useOptions } from "./use-options.tsx";

const TYPED_CHARS_MAX = 200;

/** Type to go to a conversation, or to do something: ↑ and ↓ choose, Enter goes, Esc closes. */
export function Palette({ onClose }: { readonly onClose: () => void }): ReactNode {
  const id = useId();
  const dialog = useModal();
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState(0);
  const { groups, error } = useOptions(typed.trim());
  const options = groups.flatMap(({ options }) => options);
  const active = options[Math.min(chosen, options.length - 1)];
  const run = (option: Option | undefined): void => {
    if (!option) return;
    onClose();
    option.run();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    const next = stepOf(event.key, active ? options.indexOf(active) : 0, options.length);
    if (next !== null) setChosen(next);
    else if (event.key === "Enter") run(active);
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      aria-label="Search and commands"
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
      className="mt-4 w-[min(640px,calc(100vw-32px))] overflow-hidden rounded-l border border-line bg-raise p-0 shadow-lg md:mt-[12vh]"
    >
      <div className="flex max-h-[min(576px,calc(100dvh-32px))] flex-col">
        <div className="flex shrink-0 items-center gap-3 border-b border-line px-4">
          <Search size={18} aria-hidden className="shrink-0 text-ink2" />
          <input
            role="combobox"
            aria-label="Search conversations, or type a command"
            aria-expanded={options.length > 0}
            aria-controls={`${id}list`}
            aria-activedescendant={active && `${id}${active.key}`}
            aria-autocomplete="list"
            autoComplete="off"
            autoCorrect="off"
            spellCheck={false}
            autoFocus
            maxLength={TYPED_CHARS_MAX}
            placeholder="Search, or type a command"
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value);
              setChosen(0);
            }}
            onKeyDown={onKeyDown}
            className="h-13 min-w-0 flex-1 bg-transparent text-16 outline-none placeholder:text-ink2"
          />
          <kbd className="font-sans text-12 text-ink2 pointer-coarse:hidden">Esc</kbd>
        </div>
        {error && (
          <p role="alert" className="px-4 pt-3 text-14 text-err">
            Couldn't search. {inWords(error)}
          </p>
        )}
        <div
          id={`${id}list`}
          role="listbox"
          aria-label="Results"
          className="min-h-0 overflow-y-auto overscroll-none p-2"
        >
          {groups.map(({ label, options }) => (
            <div key={label} role="group" aria-labelledby={`${id}${label}`}>
              <div id={`${id}${label}`} role="presentation" className="px-3 pt-2 pb-1 text-12 font-medium text-ink2">
                {label}
              </div>
              {options.map((option) => (
                <PaletteOption
                  key={option.key}
                  id={`${id}${option.key}`}
                  option={option}
                  typed={typed.trim()}
                  isActive={option === active}
                  onPoint={() => setChosen(optionIndex(groups, option))}
                  onRun={() => run(option)}
                />
              ))}
            </div>
          ))}
        </div>
      </div>
    </dialog>
  );
}

interface PaletteOptionProps {
  readonly id: string;
  readonly option: Option;
  readonly typed: string;
  readonly isActive: boolean;
  readonly onPoint: () => void;
  readonly onRun: () => void;
}

function PaletteOption({ id, option, typed, isActive, onPoint, onRun }: PaletteOptionProps): ReactNode {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (isActive) element.current?.scrollIntoView({ block: "nearest" });
  }, [isActive]);
  return (
    <div
      ref={element}
      id={id}
      role="option"
      aria-selected={isActive}
      // Not "enter": a list that scrolls under a resting pointer chooses nothing.
      onPointerMove={isActive ? undefined : onPoint}
      onClick={onRun}
      className={classNames(
        "flex cursor-pointer items-center gap-3 rounded-m px-3 py-2 text-14 leading-5 pointer-coarse:min-h-11",
        isActive && "bg-soft forced-colors:outline",
      )}
    >
      <span className="shrink-0 text-ink2">{option.icon}</span>
      <span className="truncate">
        <MarkedText text={option.label} query={option.key === "search-typed" ? "" : typed} />
      </span>
      {option.keys !== undefined && (
        <kbd className="ms-auto shrink-0 font-sans text-12 text-ink2 pointer-coarse:hidden">
          {keyNames(option.keys)}
        </kbd>
      )}
    </div>
  );
}

function optionIndex(groups: readonly { readonly options: readonly Option[] }[], option: Option): number {
  return groups.flatMap(({ options }) => options).indexOf(option);
}

/** @returns where a key leads, around the ends; null: it is no such key */
function stepOf(key: string, from: number, count: number): number | null {
  if (count === 0) return null;
  if (key === "ArrowDown") return (from + 1) % count;
  if (key === "ArrowUp") return (from + count - 1) % count;
  return null;
}
