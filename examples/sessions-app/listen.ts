import { once } from "node:events";
import type { Express } from "express";

/** Listens on PORT, says where, and ends with SIGTERM or Ctrl+C. */
export function listen(app: Express, close: () => Promise<void> = async () => undefined): void {
  const server = app.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
    const address = server.address();
    console.log(`http://127.0.0.1:${typeof address === "object" ? address?.port : address}`);
  });
  const stop = async (): Promise<void> => {
    server.close();
    server.closeIdleConnections();
    await once(server, "close");
    await close();
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void stop());
}
