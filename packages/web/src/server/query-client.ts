import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { BackscrollApiError, BackscrollConnectionError } from "backscroll-client";

/** What the server was asked, and what it said. Its keys: `keys.ts`. */
export const queryClient: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticeLogout }),
  mutationCache: new MutationCache({ onError: noticeLogout }),
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

/** The login ended, or the key was revoked: whatever was being done, the login screen comes. */
export function noticeLogout(error: unknown): void {
  if (error instanceof BackscrollApiError && error.code === "unauthenticated") queryClient.setQueryData(["me"], null);
}

/** @returns an error in words for whoever looks at the page */
export function inWords(error: unknown): string {
  if (error instanceof BackscrollConnectionError) return "The server cannot be reached.";
  if (error instanceof BackscrollApiError) return `${error.detail.charAt(0).toUpperCase()}${error.detail.slice(1)}.`;
  return String(error);
}
