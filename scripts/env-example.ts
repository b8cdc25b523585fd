import { defaultText, type Setting, type SettingName, SETTINGS } from "../packages/backscroll/src/settings.ts";

/** What `compose.yaml` needs beside Backscroll's own settings. */
const COMPOSE: readonly { readonly name: string; readonly value: string; readonly doc: string }[] = [
  {
    name: "POSTGRES_PASSWORD",
    value: "",
    doc: "Needed. Of letters and digits, since it becomes part of a URL: `openssl rand -hex 24`.",
  },
  {
    name: "METRICS_TOKEN",
    value: "",
    doc: "Needed. What Prometheus reads Backscroll's metrics with: `openssl rand -hex 24`.",
  },
  { name: "GRAFANA_PASSWORD", value: "", doc: "Needed. Grafana's `admin` logs in with it." },
  {
    name: "BIND_ADDRESS",
    value: "127.0.0.1",
    doc: "The address of this machine that the ports below are open on. Others should come through a proxy with TLS.",
  },
  { name: "BACKSCROLL_PORT", value: "4100", doc: "" },
  { name: "PROMETHEUS_PORT", value: "9090", doc: "" },
  { name: "GRAFANA_PORT", value: "3000", doc: "" },
  { name: "REDIS_MEMORY", value: "256mb", doc: "`maxmemory` of Redis: docs/deploy.md says how much is needed." },
];

/** Headings, each before the setting it begins with; a new setting is under the one above it. */
const SECTIONS: Partial<Record<SettingName, string>> = {
  databaseUrl: "PostgreSQL and Redis (compose.yaml sets these two)",
  cache: "The cache",
  dataDir: "The server (compose.yaml sets HOST and PORT)",
  appendBatching: "Messages",
  contextTokens: "Who answers",
  replyHeartbeatTimeoutMs: "Stopping and starting",
  auth: "Who may read what (compose.yaml: AUTH=required, unless it is said here)",
  publicUrl: "Browsers and proxies",
  sessions: "Sessions",
  rateLimits: "Limits",
  retentionDays: "Keeping",
  logLevel: "Logs",
};

const COLUMNS = 118;

/** @returns `.env.example`: compose's variables, then every setting, as a comment with its default */
export function envExample(): string {
  const settings = (Object.entries(SETTINGS) as [SettingName, Setting][]).flatMap(([name, setting]) => {
    const heading = SECTIONS[name];
    if (COMPOSE.some((one) => one.name === setting.env)) return [];
    const fallback: unknown = setting.schema.safeParse(undefined).data;
    const isPlain = typeof fallback === "number" || (typeof fallback === "string" && setting.defaultText === undefined);
    const told = isPlain ? "" : ` Default: ${defaultText(setting)}.`;
    return [
      ...(heading === undefined ? [] : ["", `# --- ${heading} ---`]),
      "",
      ...comment(`${setting.doc}${told}`),
      `# ${setting.env}=${isPlain ? fallback : ""}`,
    ];
  });
  return [
    "# For `docker compose up`: copy this file to .env, and fill in what is needed. It holds secrets: `chmod 600 .env`.",
    "# Backscroll takes the same variables without compose. An empty one counts as absent.",
    "# Generated from `settings.ts` by `npm run generate`.",
    "",
    "# --- compose.yaml ---",
    ...COMPOSE.flatMap(({ name, value, doc }) => [
      "",
      ...comment(doc),
      value === "" ? `${name}=` : `# ${name}=${value}`,
    ]),
    ...settings,
    "",
  ].join("\n");
}

function comment(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ").filter((one) => one !== "")) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > COLUMNS) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
