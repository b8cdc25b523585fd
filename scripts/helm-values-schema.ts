import { type Setting, SETTINGS } from "../packages/backscroll/src/settings.ts";

const TEXT = { type: "string" };
const FLAG = { type: "boolean" };
const COUNT = { type: "integer", minimum: 1 };
const OBJECT = { type: "object" };
const TEXTS = { type: "object", additionalProperties: TEXT };
const OBJECTS = { type: "array", items: OBJECT };

/** What the chart sets by itself, or has no use for. */
const NOT_SET = new Set(["HOST", "PORT", "BACKSCROLL_DATA_DIR"]);

function known(properties: Readonly<Record<string, unknown>>): unknown {
  return { type: "object", additionalProperties: false, properties };
}

/** @returns the chart's `values.schema.json`: Helm refuses a setting that does not exist, or is a secret */
export function helmValuesSchema(): string {
  const settings = Object.values(SETTINGS).flatMap((setting: Setting) => {
    if (setting.secret || NOT_SET.has(setting.env)) return [];
    const isNumber = typeof setting.schema.safeParse(undefined).data === "number";
    // As text too: `--set-string`. Not a boolean: YAML takes `on` for one.
    return [[setting.env, { description: setting.doc, type: isNumber ? ["integer", "string"] : "string" }]];
  });
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    $comment: "Generated from `settings.ts` by `npm run generate`.",
    ...(known({
      image: known({ repository: TEXT, tag: TEXT, pullPolicy: { enum: ["Always", "IfNotPresent", "Never"] } }),
      imagePullSecrets: OBJECTS,
      replicas: COUNT,
      existingSecret: TEXT,
      settings: known(Object.fromEntries(settings) as Record<string, unknown>),
      extraEnv: OBJECTS,
      resources: OBJECT,
      autoscaling: known({ enabled: FLAG, minReplicas: COUNT, maxReplicas: COUNT, cpuPercent: COUNT }),
      podDisruptionBudget: known({ enabled: FLAG, maxUnavailable: { type: ["integer", "string"] } }),
      service: known({ type: TEXT, port: COUNT, annotations: TEXTS }),
      ingress: known({ enabled: FLAG, className: TEXT, host: TEXT, tlsSecret: TEXT, annotations: TEXTS }),
      monitoring: known({ enabled: FLAG, rules: FLAG, interval: TEXT, labels: TEXTS }),
      podAnnotations: TEXTS,
      podLabels: TEXTS,
      nodeSelector: TEXTS,
      tolerations: OBJECTS,
      affinity: OBJECT,
      priorityClassName: TEXT,
      serviceAccountName: TEXT,
      // A chart that this one is part of passes them on.
      global: OBJECT,
    }) as object),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
