import { useEffect } from "react";

/**
 * Keeps the app as high as what is seen of it: on phones a keyboard comes up over the page, and not every browser makes
 * the page smaller then.
 */
export function useVisualHeight(): void {
  useEffect(() => {
    const viewport = globalThis.visualViewport;
    if (!viewport) return;
    const follow = (): void => {
      // Zoomed in by fingers, what is seen is a part of the page, and the page stays as it is.
      if (viewport.scale === 1) document.documentElement.style.setProperty("--seen", `${viewport.height}px`);
    };
    follow();
    viewport.addEventListener("resize", follow);
    return () => viewport.removeEventListener("resize", follow);
  }, []);
}
