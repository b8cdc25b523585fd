import { beforeAll, expect, test } from "vitest";
import { findDebianPostgres, startDebianPostgres } from "./debian-postgres.ts";
import { startRedis } from "./redis-server.ts";
import { post, runCommand, startService } from "./service-process.ts";

const MINUTES = 60_000;

beforeAll(() => findDebianPostgres(), 5 * MINUTES);

/** As docs/deploy.md says. */
const ARCHIVING = ["archive_mode = on", "archive_command = 'test ! -f %directory%/wal/%f && cp %p %directory%/wal/%f'"];
const RECOVERY = (directory: string, moment: string): readonly string[] => [
  `restore_command = 'cp ${directory}/wal/%f %p'`,
  `recovery_target_time = '${moment}'`,
  "recovery_target_action = 'promote'",
];

test(
  "after a restore to a moment and `cache drop` people read what was there then, from PostgreSQL and from the cache",
  { timeout: 2 * MINUTES },
  async () => {
    const postgres = await startDebianPostgres(ARCHIVING);
    const { databaseUrl, directory } = postgres;
    postgres.shell("mkdir wal");
    const redis = await startRedis();
    const environment = { DATABASE_URL: databaseUrl, REDIS_URL: redis.url };
    const save = async (url: string, content: string): Promise<Response> =>
      post(`${url}/api/conversations/trip/messages`, { messages: [{ role: "user", content }] });
    const read = async (url: string): Promise<{ source: string | null; contents: readonly string[] }> => {
      const answer = await fetch(`${url}/api/conversations/trip/messages`);
      const { messages } = (await answer.json()) as { messages: { content: string }[] };
      return { source: answer.headers.get("x-backscroll-cache"), contents: messages.map(({ content }) => content) };
    };
    const psql = (sql: string): string => postgres.shell(`psql -Atc "${sql}" ${databaseUrl}`).trim();

    const before = await startService([], environment);
    await post(`${before.url}/api/conversations`, { id: "trip" });
    await save(before.url, "before the backup");
    postgres.shell(`pg_basebackup --dbname=${databaseUrl} --pgdata=base --checkpoint=fast --wal-method=stream`);
    await save(before.url, "after the backup");
    const moment = psql("select clock_timestamp()");
    await save(before.url, "the mistake");
    await expect
      .poll(() => read(before.url))
      .toEqual({
        source: "hit",
        contents: ["the mistake", "after the backup", "before the backup"],
      });
    before.child.kill("SIGTERM");
    expect(await before.ended).toBe(0);

    await postgres.restart(() => {
      const lines = RECOVERY(directory, moment).join("\n");
      postgres.shell(
        `mv data data.lost; cp -r base data; chmod 700 data; cat >> data/postgresql.conf <<END\n${lines}\nEND\n` +
          "touch data/recovery.signal",
      );
    });
    expect(psql("select pg_is_in_recovery()")).toBe("f");
    expect(await runCommand(["cache", "drop"], environment)).toMatchObject({ status: 0 });

    const after = await startService([], environment);
    expect((await read(after.url)).contents).toEqual(["after the backup", "before the backup"]);
    await save(after.url, "after the restore");
    expect(await read(after.url)).toEqual({
      source: "hit",
      contents: ["after the restore", "after the backup", "before the backup"],
    });
  },
);
