import { createServices, newSchema, type Services, test as base } from "./services.ts";

export const USER = "ada@example.com";
export const MESSAGE_BYTES_MAX = 1_000;
export const BODY_BYTES_MAX = 20_000;

/** Small limits, one conversation `c` with the message `m`. */
export const test = base.extend<{ limited: Services }>({
  // oxlint-disable-next-line no-empty-pattern -- how Vitest reads a fixture's dependencies
  limited: async ({}, use) => {
    const { databaseUrl, drop } = await newSchema();
    const services = await createServices({
      databaseUrl,
      messageBytesMax: MESSAGE_BYTES_MAX,
      bodyBytesMax: BODY_BYTES_MAX,
    });
    await services.call(USER, "POST", "/api/conversations", { id: "c" });
    await services.call(USER, "POST", "/api/conversations/c/messages", { id: "m", role: "user", content: "x" });
    await use(services);
    await services.close();
    await drop();
  },
});
