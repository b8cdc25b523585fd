import type katex from "katex";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { loadPart } from "../ui/load-part.ts";
import { classNames } from "../ui/class-names.ts";

type Katex = typeof katex;
let loaded: Katex | null = null;
let loading: Promise<Katex> | undefined;

/** A few hundred kilobytes that most conversations never need. */
async function loadKatex(): Promise<Katex> {
  loading ??= loadPart(() => import("./katex.ts")).then((module) => (loaded = module.katex));
  return loading;
}

interface MathsProps {
  /** LaTeX, as KaTeX knows it: https://katex.org/docs/supported */
  readonly tex: string;
  readonly isBlock: boolean;
}

/** A formula; its source until it can be set, and when it cannot. */
export function Maths({ tex, isBlock }: MathsProps): ReactNode {
  const place = useRef<HTMLSpanElement>(null);
  const [isSet, setSet] = useState(false);
  useEffect(() => {
    let isGone = false;
    const set = (setter: Katex): void => {
      if (!isGone && place.current) setSet(typeset(setter, tex, { place: place.current, isBlock }));
    };
    if (loaded) set(loaded);
    else void loadKatex().then(set);
    return () => {
      isGone = true;
    };
  }, [tex, isBlock]);
  return (
    <span
      className={classNames(isBlock && "block overflow-x-auto overflow-y-hidden py-1 text-center")}
      {...(isBlock && { tabIndex: 0, role: "group", "aria-label": "Formula" })}
    >
      <span ref={place} hidden={!isSet} />
      {!isSet && <code className="font-mono text-13 wrap-anywhere">{tex}</code>}
    </span>
  );
}

/** @returns whether it is a formula */
function typeset(
  setter: Katex,
  tex: string,
  { place, isBlock }: { readonly place: HTMLElement; readonly isBlock: boolean },
): boolean {
  try {
    setter.render(tex, place, { displayMode: isBlock, trust: false, strict: "ignore", maxExpand: 500, maxSize: 20 });
    return true;
  } catch (error) {
    if (error instanceof setter.ParseError) return false;
    throw error;
  }
}
