import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { post, startService, temporaryDirectory } from "./service-process.ts";

const ROUNDS = 20;

test(
  `kill -9 of the whole process group during appends, ${ROUNDS} times: what was acknowledged is there, once, in order`,
  { timeout: 180_000 },
  async () => {
    const dataDir = temporaryDirectory();
    const acknowledged: string[] = [];
    const sent = new Set<string>();
    let service = await startService(["--data-dir", dataDir]);
    await post(`${service.url}/api/conversations`, { id: "kept" });
    for (let round = 0; round < ROUNDS; round += 1) {
      const killAfter = acknowledged.length + 5 + ((round * 37) % 60);
      await Promise.all(
        ["a", "b", "c", "d"].map(async (writer) => {
          for (let n = 0; ; n += 1) {
            const id = `${round}-${writer}-${n}`;
            sent.add(id);
            const response = await post(`${service.url}/api/conversations/kept/messages`, {
              role: "user",
              content: id,
              id,
            }).catch(() => null);
            if (response?.status !== 201) return;
            acknowledged.push(id);
            if (acknowledged.length === killAfter) {
              process.kill(-service.pid, "SIGKILL");
              // In every other round PostgreSQL gets no time to shut down either.
              if (round % 2 === 1) killPostgres(dataDir);
            }
          }
        }),
      );
      await service.ended;
      service = await startService(["--data-dir", dataDir]);
      const stored = await readAll(service.url);
      expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, index) => index + 1));
      const contents = stored.map(({ content }) => content);
      expect(new Set(contents).size).toBe(contents.length);
      expect(acknowledged.filter((id) => !contents.includes(id))).toEqual([]);
      expect(contents.filter((id) => !sent.has(id))).toEqual([]);
      for (const writer of ["a", "b", "c", "d"]) {
        const own = contents.filter((id) => id.startsWith(`${round}-${writer}-`));
        expect(own).toEqual(own.map((_, n) => `${round}-${writer}-${n}`));
      }
    }
    service.child.kill("SIGTERM");
    expect(await service.ended).toBe(0);
  },
);

function killPostgres(dataDir: string): void {
  const pid = Number(readFileSync(join(dataDir, "postgres", "postmaster.pid"), "utf8").split("\n", 1)[0]);
  process.kill(pid, "SIGKILL");
}

async function readAll(url: string): Promise<{ seq: number; content: string }[]> {
  const all: { seq: number; content: string }[] = [];
  for (let page = 1; ; page += 1) {
    const response = await fetch(`${url}/api/conversations/kept/messages?page=${page}&page_size=200`);
    const body = (await response.json()) as {
      messages: { seq: number; content: string }[];
      pagination: { has_next: boolean };
    };
    all.push(...body.messages);
    if (!body.pagination.has_next) return all;
  }
}
