import { describe, expect, test } from "vitest";
import { connectRedis } from "../src/cache/redis/link.ts";
import { parseRedisUrl } from "../src/cache/redis/url.ts";

const PLAIN = { tls: false, username: undefined, password: undefined, database: 0, masterName: "" };

describe("the URL of Redis", () => {
  test.for([
    ["redis://cache", { topology: "single", servers: [{ host: "cache", port: 6379 }] }],
    ["redis://cache:7000/2", { topology: "single", servers: [{ host: "cache", port: 7000 }], database: 2 }],
    ["rediss://[::1]:7000/", { topology: "single", servers: [{ host: "::1", port: 7000 }], tls: true }],
    [
      "redis://ada:p%40ss%2Fw%3Ard%25@cache",
      { topology: "single", servers: [{ host: "cache", port: 6379 }], username: "ada", password: "p@ss/w:rd%" },
    ],
    ["redis://:secret@cache", { topology: "single", servers: [{ host: "cache", port: 6379 }], password: "secret" }],
    [
      "redis+cluster://ada:secret@[2001:db8::1]:7000,[2001:db8::2],10.0.0.3:7002",
      {
        topology: "cluster",
        servers: [
          { host: "2001:db8::1", port: 7000 },
          { host: "2001:db8::2", port: 6379 },
          { host: "10.0.0.3", port: 7002 },
        ],
        username: "ada",
        password: "secret",
      },
    ],
    [
      "rediss+sentinel://one,two:26380/my%20master/3",
      {
        topology: "sentinel",
        servers: [
          { host: "one", port: 26_379 },
          { host: "two", port: 26_380 },
        ],
        tls: true,
        masterName: "my master",
        database: 3,
      },
    ],
  ] as const)("%s", ([url, expected]) => {
    expect(parseRedisUrl(url)).toEqual({ ...PLAIN, ...expected });
  });

  test.for([
    "",
    "cache:6379",
    "http://user:SECRET@cache",
    "redis://user:SECRET",
    "redis://user:SECRET%@cache",
    "redis://user:SEC/RET@cache",
    "redis://user:SECRET@",
    "redis://user:SECRET@cache:99999",
    "redis://user:SECRET@cache:0",
    "redis://user:SECRET@cache/two",
    "redis://user:SECRET@::1",
    "redis://user:SECRET@one,two",
    "redis+cluster://user:SECRET@one,two/1",
    "redis+cluster://user:SECRET@one,,two",
    "redis+sentinel://user:SECRET@one,two",
    "redis+sentinel://user:SECRET@one/name/two",
  ])("%s is refused at once, with what to write and without the password", async (url) => {
    const refusal = await connectRedis(url, { connectTimeoutMs: 60_000, onError: () => undefined }).then(
      () => "",
      (error: unknown) => String(error),
    );
    expect(refusal).toContain("must be like redis://");
    expect(refusal).not.toMatch(/SEC|RET/);
  });
});
