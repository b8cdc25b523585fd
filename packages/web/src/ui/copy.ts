import { useEffect, useState } from "react";
import { announce } from "./announcer.tsx";
import { toastError } from "./toasts.tsx";

const SHOWN_MS = 1_500;

/** @returns whether something was copied just now, and what copies */
export function useCopied(): [isCopied: boolean, copy: (text: string) => void] {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  return [isCopied, (text) => void copyText(text).then(setCopied)];
}

/** @returns whether the clipboard has it */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied");
    return true;
  } catch {
    // Without TLS, or when the browser's user said no.
    toastError("The browser did not let the page write to the clipboard.");
    return false;
  }
}
