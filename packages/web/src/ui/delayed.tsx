import { type ReactNode, useEffect, useState } from "react";

const SHOWN_AFTER_MS = 150;

/** Stands in for what is loading, once that takes a moment: what comes at once does not flicker. */
export function Delayed({ children }: { readonly children: ReactNode }): ReactNode {
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), SHOWN_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  return isShown ? <div className="grid h-full place-items-center p-6 text-ink2">{children}</div> : null;
}
