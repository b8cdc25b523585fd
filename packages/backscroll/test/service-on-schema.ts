import { onTestFinished } from "vitest";
import { type ServiceProcess, startService } from "./service-process.ts";
import { newSchema } from "./services.ts";

/** A service in a process and a schema of its own; both go with the test, the process first. */
export async function startOnSchema(environment: Record<string, string> = {}): Promise<ServiceProcess> {
  const { databaseUrl, drop } = await newSchema();
  const service = await startService([], { DATABASE_URL: databaseUrl, ...environment });
  onTestFinished(async () => {
    service.child.kill("SIGKILL");
    await service.ended;
    await drop();
  });
  return service;
}
