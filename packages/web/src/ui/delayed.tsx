import { type ReactNode, useEffect, useState } from "react";

const SHOWN_AFTER_MS = 150;

/** Stands in for what is loading, once that takes a moment: what comes at once does not flicker. */
export function Delayed({ children }: { readonly children: ReactNode }): ReactNode {
  const isShown = useAfter(SHOWN_AFTER_MS);
  return isShown ? <div className="grid h-full place-items-center p-6 text-ink2">{children}</div> : null;
}

/** @returns whether it has been there for so long */
export function useAfter(ms: number): boolean {
  const [isAfter, setAfter] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setAfter(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return isAfter;
}
