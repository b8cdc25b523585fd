import { Ajv, type ValidateFunction } from "ajv";
import { DCLinter } from "dclint";
import { DockerfileParser } from "dockerfile-ast";
import { validate as lintDockerfile } from "dockerfile-utils";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { SETTINGS } from "../src/settings.ts";
import { temporaryDirectory } from "./service-process.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CHART = "deploy/helm/backscroll";
const SETTING_NAMES = new Set(Object.values(SETTINGS).map(({ env }): string => env));

/** Variables of other programs, and words in capitals that are none. */
const OTHERS = new Set(
  (
    "POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD GRAFANA_PASSWORD BIND_ADDRESS BACKSCROLL_PORT PROMETHEUS_PORT GRAFANA_PORT " +
    "REDIS_MEMORY GF_SECURITY_ADMIN_PASSWORD GF_USERS_ALLOW_SIGN_UP GF_ANALYTICS_REPORTING_ENABLED " +
    "GF_ANALYTICS_CHECK_FOR_UPDATES NODE_ENV PATH OPENAI_API_KEY ANTHROPIC_API_KEY ADMIN_KEY NEW_DATABASE_URL " +
    "OTEL_EXPORTER_OTLP_PROTOCOL NODE_OPTIONS"
  ).split(" "),
);

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function packageVersion(path: string): string {
  return (JSON.parse(read(path)) as { version: string }).version;
}

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image?: string;
        readonly build?: string;
        readonly ports?: readonly string[];
        readonly volumes?: readonly string[];
        readonly healthcheck?: unknown;
        readonly depends_on?: Readonly<Record<string, { condition: string }>>;
      }
    >
  >;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}`, as Compose knows them. */
function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_, name: string, kind: string | undefined, rest: string) => {
      const value = variables[name] ?? "";
      if (value !== "") return value;
      if (kind === "-") return rest;
      throw new Error(`${name}: ${rest}`);
    },
  );
}

/** @returns what `.env.example` sets, and what it only names */
function envExample(): { readonly needed: readonly string[]; readonly named: ReadonlySet<string> } {
  const text = read(".env.example");
  const names = (pattern: RegExp): readonly string[] => [...text.matchAll(pattern)].map(([, name = ""]) => name);
  return { needed: names(/^([A-Z_]+)=$/gm), named: new Set(names(/^(?:# )?([A-Z_]+)=/gm)) };
}

test("the Dockerfile has no fault, and its base is the Node.js that everything is tested on", () => {
  const text = read("Dockerfile");
  expect(lintDockerfile(text)).toEqual([]);
  const { devDependencies } = JSON.parse(read("package.json")) as { devDependencies: Record<string, string> };
  const images = DockerfileParser.parse(text).getFROMs();
  expect(images.map((one) => one.getImage())).toEqual(
    images.map(() => `node:${devDependencies["node"]}-bookworm-slim`),
  );
  expect(text).toContain(`image.version="${packageVersion("packages/backscroll/package.json")}"`);
});

test("compose.yaml is valid, opens ports on loopback, and names nothing that is not there", () => {
  const { needed, named } = envExample();
  const text = read("compose.yaml");
  const used = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name = ""]) => name));
  expect([...used].filter((name) => !named.has(name))).toEqual([]);

  const complete = interpolate(text, Object.fromEntries(needed.map((name) => [name, "secret"])));
  const file = join(temporaryDirectory(), "compose.yaml");
  writeFileSync(file, complete);
  // Its rules of order are taste.
  const rules = {
    "service-keys-order": 0,
    "services-alphabetical-order": 0,
    "require-quotes-in-ports": [1, { quoteType: "double" }],
  } as const;
  const results = new DCLinter({ rules, quiet: true, debug: false, exclude: [] }).lintFiles([file], false);
  expect(results.flatMap(({ messages }: { messages: readonly unknown[] }) => messages)).toEqual([]);

  const { services, volumes } = parse(complete) as Compose;
  expect(Object.keys(services)).toEqual(["backscroll", "postgres", "redis", "prometheus", "grafana"]);
  for (const [name, { image, build, ports = [], volumes: mounts = [], depends_on: waitsFor = {} }] of Object.entries(
    services,
  )) {
    expect(image ?? build, name).toMatch(/^(\.|\S+:v?\d+\.\d+\.?\d*\S*)$/);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    for (const mount of mounts) {
      const [source = ""] = mount.split(":");
      expect(source.startsWith("./") ? existsSync(join(ROOT, source)) : source in volumes, mount).toBe(true);
    }
    for (const [other, { condition }] of Object.entries(waitsFor)) {
      expect(condition).toBe("service_healthy");
      expect(services[other]?.healthcheck ?? services[other]?.build, `${other} has a health check`).toBeDefined();
    }
  }
});

test("compose.yaml refuses to start without each of the secrets that .env.example leaves empty", () => {
  const { needed } = envExample();
  expect(needed).toEqual(["POSTGRES_PASSWORD", "METRICS_TOKEN", "GRAFANA_PASSWORD"]);
  for (const missing of needed) {
    const variables = Object.fromEntries(needed.map((name) => [name, name === missing ? "" : "secret"]));
    expect(() => interpolate(read("compose.yaml"), variables)).toThrow(`${missing}: set it in .env`);
  }
});

function valuesSchema(): ValidateFunction {
  return new Ajv({ allowUnionTypes: true }).compile(JSON.parse(read(`${CHART}/values.schema.json`)) as object);
}

test("the chart's values fit their schema, which knows every value and no other, and takes no secret for a setting", () => {
  const isValid = valuesSchema();
  const values = parse(read(`${CHART}/values.yaml`)) as { settings: Record<string, unknown> };
  expect(isValid(values), JSON.stringify(isValid.errors)).toBe(true);
  const { properties } = JSON.parse(read(`${CHART}/values.schema.json`)) as { properties: Record<string, unknown> };
  expect(Object.keys(values).toSorted()).toEqual(
    Object.keys(properties)
      .filter((name) => name !== "global")
      .toSorted(),
  );
  for (const [name, value] of Object.entries({ CACHE_TTTL: 60, JWT_SECRET: "secret", RATE_LIMITS: true, HOST: "::" })) {
    expect(isValid({ ...values, settings: { ...values.settings, [name]: value } }), name).toBe(false);
  }
  expect(isValid({ ...values, replica: 3 })).toBe(false);
});

test("the chart is of the version that it installs, and its templates use no value that is not there", () => {
  const version = packageVersion("packages/backscroll/package.json");
  expect(parse(read(`${CHART}/Chart.yaml`))).toMatchObject({ version, appVersion: version });
  const values = parse(read(`${CHART}/values.yaml`)) as Record<string, unknown>;
  for (const name of readdirSync(join(ROOT, CHART, "templates"))) {
    for (const [, path = ""] of read(`${CHART}/templates/${name}`).matchAll(/\.Values\.([\w.]+)/g)) {
      const [first = "", second] = path.split(".");
      expect(values, `${name}: ${path}`).toHaveProperty(first);
      if (second !== undefined && first !== "settings")
        expect(values[first], `${name}: ${path}`).toHaveProperty(second);
    }
  }
});

test.each([
  "Dockerfile",
  "compose.yaml",
  "README.md",
  "docs/deploy.md",
  "docs/troubleshooting.md",
  `${CHART}/README.md`,
])("%s names no variable that does not exist", (path) => {
  const named = new Set(read(path).match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g));
  expect([...named].filter((name) => !SETTING_NAMES.has(name) && !OTHERS.has(name))).toEqual([]);
});

test.each(["README.md", "docs/deploy.md", "docs/troubleshooting.md", `${CHART}/README.md`])(
  "every link of %s leads to a file, and to a heading in it",
  (path) => {
    for (const [, target = ""] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = "", anchor] = target.split("#");
      const found = file === "" ? path : join(dirname(path), file);
      expect(existsSync(join(ROOT, found)), target).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(read(found)), target).toContain(anchor);
    }
  },
);

/** As GitHub makes them. */
function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test("docs/troubleshooting.md has a heading for every alert, where the alert's runbook_url says", () => {
  const { groups } = parse(read("deploy/prometheus/rules/alerts.yml")) as {
    groups: { rules: { alert?: string; annotations?: { runbook_url?: string } }[] }[];
  };
  const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);
  expect(alerts.length).toBeGreaterThan(10);
  const anchors = anchorsOf(read("docs/troubleshooting.md"));
  for (const { alert = "", annotations } of alerts) {
    const anchor = alert.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
    expect(anchors).toContain(anchor);
    expect(annotations?.runbook_url).toMatch(new RegExp(`docs/troubleshooting\\.md#${anchor}$`));
  }
});
