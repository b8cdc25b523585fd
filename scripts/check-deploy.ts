import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments, stringify } from "yaml";

/**
 * Renders the Helm chart in the ways that it branches, and checks every object against Kubernetes' own schemas:
 * `npm run check:deploy`. Takes `helm` where it is, otherwise Go and sprig (on Debian `golang-go
 * golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev`, 400 MB), which is why `npm test` leaves it out.
 */
const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CHART = join(ROOT, "deploy/helm/backscroll");

const NEEDED = { image: { repository: "registry.example.com/backscroll" }, existingSecret: "backscroll" };
const VALUES: Readonly<Record<string, object>> = {
  least: NEEDED,
  everything: {
    ...NEEDED,
    imagePullSecrets: [{ name: "pull" }],
    settings: { DRAIN_TIMEOUT_MS: 60_000, BODY_BYTES_MAX: 16_777_216, PUBLIC_URL: "https://history.example.com" },
    extraEnv: [{ name: "TZ", value: "UTC" }],
    autoscaling: { enabled: true },
    podDisruptionBudget: { maxUnavailable: "25%" },
    service: { type: "LoadBalancer", annotations: { "example.com/internal": "true" } },
    ingress: { enabled: true, className: "nginx", host: "history.example.com", tlsSecret: "history-tls" },
    monitoring: { enabled: true, labels: { release: "prometheus" } },
    podAnnotations: { "example.com/team": "chat" },
    podLabels: { team: "chat" },
    nodeSelector: { "kubernetes.io/os": "linux" },
    tolerations: [{ key: "chat", operator: "Exists" }],
    affinity: { nodeAffinity: {} },
    priorityClassName: "high",
    serviceAccountName: "backscroll",
  },
};
/** What must be refused, and why. */
const REFUSED: readonly (readonly [values: object, reason: RegExp])[] = [
  [{ existingSecret: "backscroll" }, /image\.repository/],
  [{ image: NEEDED.image }, /existingSecret/],
  [{ ...NEEDED, ingress: { enabled: true } }, /ingress\.host/],
];

/** The module of `kubernetes-models` or of the operator's that has each kind. */
const MODULES: Readonly<Record<string, string>> = {
  "apps/v1": "kubernetes-models/apps/v1",
  v1: "kubernetes-models/v1",
  "networking.k8s.io/v1": "kubernetes-models/networking.k8s.io/v1",
  "policy/v1": "kubernetes-models/policy/v1",
  "autoscaling/v2": "kubernetes-models/autoscaling/v2",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
};

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
}

type Rendered = { readonly status: number | null; readonly stdout: string; readonly stderr: string };
type Render = (valuesFile: string) => Rendered;

const directory = mkdtempSync(join(tmpdir(), "backscroll-chart-"));
try {
  const { name, render } = findRenderer();
  process.stdout.write(`rendering with ${name}\n`);
  const objects = Object.entries(VALUES).flatMap(([values, given]) => renderObjects(render, values, given));
  for (const [given, reason] of REFUSED) {
    const { status, stderr } = render(valuesFile("refused", given));
    if (status === 0 || !reason.test(stderr)) throw new Error(`not refused with ${reason}: ${JSON.stringify(given)}`);
  }
  await validate(objects);
  checkTypes(objects);
  process.stdout.write(`${objects.length} objects are valid, ${REFUSED.length} mistakes are refused\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}, cwd = ROOT): Rendered {
  return spawnSync(command, args, { cwd, encoding: "utf8", env: { ...process.env, ...env } });
}

function findRenderer(): { name: string; render: Render } {
  const helm = run("helm", ["version", "--short"]);
  if (helm.status === 0) {
    const { status, stdout } = run("helm", ["lint", "--strict", CHART, "--values", valuesFile("lint", NEEDED)]);
    if (status !== 0) throw new Error(stdout);
    const render: Render = (values) => run("helm", ["template", "history", CHART, "--values", values]);
    return { name: `Helm ${helm.stdout.trim()}`, render };
  }
  if (run("go", ["version"]).status !== 0 && process.getuid?.() === 0) {
    const packages = ["golang-go", "golang-github-masterminds-sprig-dev", "golang-k8s-sigs-yaml-dev"];
    run("apt-get", ["update", "-qq"]);
    run("apt-get", ["install", "-y", "-qq", ...packages], { DEBIAN_FRONTEND: "noninteractive" });
  }
  const program = join(directory, "render");
  const env = { GO111MODULE: "off", GOPATH: "/usr/share/gocode", GOCACHE: join(directory, "go-cache") };
  const built = run("go", ["build", "-o", program, "."], env, join(ROOT, "deploy/helm/render"));
  if (built.status !== 0) throw new Error(`install Helm, or Debian's Go with sprig: ${built.stderr}`);
  return { name: run("go", ["version"]).stdout.trim(), render: (values) => run(program, [CHART, values]) };
}

function valuesFile(name: string, values: object): string {
  const file = join(directory, `${name}.yaml`);
  writeFileSync(file, stringify(values));
  return file;
}

function renderObjects(render: Render, name: string, given: object): readonly KubernetesObject[] {
  const { status, stdout, stderr } = render(valuesFile(name, given));
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  // Notes are for people.
  const text = stdout.replace(/---\n# Source: \S*NOTES\.txt\n[^]*?(?=\n---|$)/, "");
  return parseAllDocuments(text).flatMap((document) => {
    if ("errors" in document && document.errors.length > 0) throw new Error(`${name}: ${document.errors.join("\n")}`);
    const value = "toJS" in document ? (document.toJS() as KubernetesObject | null) : null;
    return value === null ? [] : [value];
  });
}

function moduleOf({ apiVersion, kind }: KubernetesObject): string {
  const module = MODULES[apiVersion];
  if (module === undefined) throw new Error(`${apiVersion} ${kind} is not known here`);
  return module;
}

/** Types, formats and what is needed, by the schemas. */
async function validate(objects: readonly KubernetesObject[]): Promise<void> {
  for (const object of objects) {
    const models = (await import(moduleOf(object))) as Record<string, new (object: unknown) => { validate(): void }>;
    const Model = models[object.kind];
    if (Model === undefined) throw new Error(`${object.apiVersion} has no ${object.kind}`);
    new Model(object).validate();
  }
}

/** The schemas let unknown fields pass; as literals of their types, TypeScript does not. */
function checkTypes(objects: readonly KubernetesObject[]): void {
  const source = objects.map(
    (object, index) =>
      `import type { I${object.kind} as T${index} } from "${moduleOf(object)}";\n` +
      `export const object${index}: T${index} = ${JSON.stringify(object, null, 2)};\n`,
  );
  writeFileSync(join(directory, "objects.ts"), source.join("\n"));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ type: "module" }));
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  const compilerOptions = { strict: true, noEmit: true, module: "esnext", moduleResolution: "bundler", types: [] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["objects.ts"] }));
  const { status, stdout } = run("tsc", ["-p", directory]);
  if (status !== 0) throw new Error(stdout);
}
