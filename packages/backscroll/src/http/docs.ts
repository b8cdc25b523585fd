import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import { ERROR_CODES, type ErrorCode } from "../domain/errors.ts";
import type { App } from "./context.ts";
import { STATUS } from "./errors.ts";

interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

interface Operation {
  summary?: string;
  description?: string;
  parameters?: { name: string; in: string; required?: boolean; schema?: Schema; description?: string }[];
  requestBody?: { content: Record<string, { schema?: Schema }> };
  responses: Record<string, { description: string; content?: Record<string, { schema?: Schema }> }>;
}

export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

/** What a request carries where authentication is required: one of these. */
const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "A token of your identity provider or application (JWT), or a key of `backscroll key create`",
  },
  apiKey: { type: "apiKey", in: "header", name: "x-api-key", description: "A key of `backscroll key create`" },
  cookie: {
    type: "apiKey",
    in: "cookie",
    name: "backscroll",
    description: "What `POST /api/login` sets; its name is `__Host-backscroll` where `PUBLIC_URL` is https",
  },
} as const;

/** The API's description; `npm run generate` writes it to `openapi.json`. */
export function openApiDocument(app: App): OpenApiDocument {
  for (const [name, scheme] of Object.entries(SECURITY_SCHEMES)) {
    app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
  }
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Backscroll",
      version: "1",
      description:
        "Conversation history for AI chat applications. JSON is snake_case; ids are opaque strings of 1 to 128 " +
        "characters; times are RFC 3339 in UTC. Every POST takes an `Idempotency-Key` header. Errors are " +
        "`application/problem+json`.",
    },
    security: Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] })),
  }) as unknown as OpenApiDocument;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1d1b18; --soft: #5a554d; --bg: #faf9f7; --panel: #f1efeb; --accent: #0b6b63 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9e7e3; --soft: #a9aeb1; --bg: #141516; --panel: #1b1d1f; --accent: #6fd3c7 } }
body { font: 15px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--bg); margin: 0 auto; max-width: 860px; padding: 24px 16px 64px }
code, pre { font: 13px/1.5 ui-monospace, monospace }
pre { background: var(--panel); padding: 12px; border-radius: 6px; overflow-x: auto }
details { border: 1px solid color-mix(in srgb, var(--soft) 35%, transparent); border-radius: 6px; margin: 8px 0; padding: 0 12px }
summary { cursor: pointer; padding: 8px 0; overflow-wrap: anywhere }
summary b { color: var(--accent); display: inline-block; min-width: 64px }
summary span { color: var(--soft) }
a { color: var(--accent) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: 4px 12px 4px 0 }
.text { white-space: pre-line }`;
const POLICY = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; base-uri 'none'; frame-ancestors 'none'`;

/** Serves the description, as JSON and as a page without scripts. */
export function docsRoutes(app: App): void {
  let document: OpenApiDocument | undefined;
  app.get("/api/openapi.json", (c) => c.json((document ??= openApiDocument(app))));
  app.get("/api/docs", (c) => {
    c.header("content-security-policy", POLICY);
    return c.html(page((document ??= openApiDocument(app))));
  });
}

type Html = ReturnType<typeof html>;

function page(document: OpenApiDocument): Html {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Backscroll API</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <main>
          <h1>Backscroll API</h1>
          <p>${prose(document.info.description ?? "")} As a file: <a href="/api/openapi.json">openapi.json</a>.</p>
          <h2>Endpoints</h2>
          ${operations.map(({ path, method, operation }) => operationHtml(path, method, operation))}
          <h2>Shapes</h2>
          ${Object.entries(document.components?.schemas ?? {}).map(
            ([name, schema]) =>
              html`<details id="shape-${name}">
                <summary><code>${name}</code></summary>
                <pre>${outline(schema)}</pre>
              </details>`,
          )}
          <h2>Errors</h2>
          <div class="wide">
            <table>
              <tr>
                <th>code</th>
                <th>status</th>
                <th>meaning</th>
              </tr>
              ${(Object.entries(ERROR_CODES) as [ErrorCode, string][]).map(
                ([code, meaning]) =>
                  html`<tr id="error-${code}">
                    <td><code>${code}</code></td>
                    <td>${STATUS[code]}</td>
                    <td>${prose(meaning)}</td>
                  </tr>`,
              )}
            </table>
          </div>
        </main>
      </body>
    </html>`;
}

/** @returns text whose `words` are code */
function prose(text: string): Html {
  return html`${text.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}

function operationHtml(path: string, method: string, operation: Operation): Html {
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  return html`<details>
    <summary><b>${method.toUpperCase()}</b> <code>${path}</code> <span>${operation.summary}</span></summary>
    ${operation.description === undefined ? "" : html`<p class="text">${prose(operation.description)}</p>`}
    ${
      operation.parameters === undefined
        ? ""
        : html`<div class="wide">
            <table>
              <tr>
                <th>parameter</th>
                <th>in</th>
                <th>is</th>
              </tr>
              ${operation.parameters.map(
                (parameter) =>
                  html`<tr>
                    <td><code>${parameter.name}</code></td>
                    <td>${parameter.in}</td>
                    <td>
                      <code>${outline(parameter.schema ?? {})}</code>
                      ${prose(parameter.description ?? parameter.schema?.description ?? "")}
                    </td>
                  </tr>`,
              )}
            </table>
          </div>`
    }
    ${
      body === undefined
        ? ""
        : html`<p>Body</p>
            <pre>${outline(body)}</pre>`
    }
    <p>Answers</p>
    <ul>
      ${Object.entries(operation.responses).map(([status, response]) => {
        const schema = Object.values(response.content ?? {})[0]?.schema;
        const shape = schema === undefined || status >= "400" ? "" : html`<pre>${outline(schema)}</pre>`;
        return html`<li><code>${status}</code> ${prose(response.description)}${shape}</li>`;
      })}
    </ul>
  </details>`;
}

/** @returns a shape as people write it: `{ id: string, parts?: Part[] }` */
function outline(schema: Schema, indent = ""): string {
  if (schema.$ref !== undefined) return schema.$ref.replace("#/components/schemas/", "");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((choice) => outline(choice, indent)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [schema.type ?? "any"].flat();
  return types
    .map((type) => {
      if (type === "array") return `${outline(schema.items ?? {}, indent)}[]`;
      if (type !== "object" || !schema.properties) return schema.format ? `${type} (${schema.format})` : type;
      const inner = Object.entries(schema.properties).map(([name, property]) => {
        const optional = schema.required?.includes(name) ? "" : "?";
        return `${indent}  ${name}${optional}: ${outline(property, `${indent}  `)}`;
      });
      return `{\n${inner.join("\n")}\n${indent}}`;
    })
    .join(" | ");
}
