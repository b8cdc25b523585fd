import { QueryClient } from "@tanstack/react-query";
import { BackscrollApiError, BackscrollConnectionError } from "backscroll-client";

/** What the server was asked, and what it said. Its keys: `keys.ts`. */
export const queryClient: QueryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // The SDK has tried again already; the change feed says when something is stale.
      retry: false,
      staleTime: Number.POSITIVE_INFINITY,
      refetchOnWindowFocus: false,
      refetchOnReconnect: (query) => query.state.status === "error",
    },
    mutations: { retry: false, networkMode: "always" },
  },
});

/** Nobody is logged in any more. */
export function noticeLogout(): void {
  queryClient.setQueryData(["me"], null);
}

/** @returns an error in words for whoever looks at the page */
export function inWords(error: unknown): string {
  if (error instanceof BackscrollConnectionError) return "The server cannot be reached.";
  if (error instanceof BackscrollApiError) return `${error.detail.charAt(0).toUpperCase()}${error.detail.slice(1)}.`;
  return String(error);
}
