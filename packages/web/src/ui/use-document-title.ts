import { useEffect } from "react";

const NAME = "Backscroll";

/** Names the browser's tab for as long as what asks is shown. @param title undefined: only the product's name */
export function useDocumentTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = title === undefined ? NAME : `${title} · ${NAME}`;
    return () => void (document.title = NAME);
  }, [title]);
}
