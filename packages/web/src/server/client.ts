import { createClient } from "backscroll-client";
import { watchConnection } from "./connection.ts";

/** The service that this page came from. */
export const client = createClient({ baseUrl: "", fetch: watchConnection(globalThis.fetch.bind(globalThis)) });
