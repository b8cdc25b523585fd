// A service over the guide's cache, in a process of its own: something to kill.
import { serve } from "@hono/node-server";
import { loadConfig } from "../src/config.ts";
import { create } from "../src/create.ts";
import { createNaiveCache } from "./naive-cache.ts";

const { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl = "" } = process.env;
const historyCache = await createNaiveCache(redisUrl);
const { fetch } = await create({ ...loadConfig({}), databaseUrl, cache: "off" }, { historyCache });
serve({ fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => {
  process.stdout.write(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
});
