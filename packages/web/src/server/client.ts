import { createClient } from "backscroll-client";
import { watchConnection } from "./connection.ts";
import { noticeLogout } from "./query-client.ts";

/** The login ended, or the key was revoked: whatever was being asked, the login screen comes. */
const watchLogin =
  (fetch: typeof globalThis.fetch): typeof globalThis.fetch =>
  async (input, init) => {
    const response = await fetch(input, init);
    if (response.status === 401) noticeLogout();
    return response;
  };

/** The service that this page came from. */
export const client = createClient({
  baseUrl: "",
  fetch: watchLogin(watchConnection(globalThis.fetch.bind(globalThis))),
});
