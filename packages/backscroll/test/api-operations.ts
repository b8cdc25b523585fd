import type { OpenApiDocument } from "../src/http/docs.ts";
import type { Services } from "./services.ts";

/** One operation of the OpenAPI document, with what a test needs to call it. */
export interface ApiOperation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: SchemaObject }[];
  /** of its JSON body; null when it takes none */
  readonly body: SchemaObject | null;
  readonly responses: Record<string, { content?: Record<string, { schema?: SchemaObject }> }>;
}

/** As far as these tests look into JSON Schema. */
export interface SchemaObject {
  readonly $ref?: string;
  readonly type?: string | string[];
  readonly format?: string;
  readonly pattern?: string;
  readonly properties?: Record<string, SchemaObject>;
  readonly required?: string[];
  readonly items?: SchemaObject;
  readonly anyOf?: SchemaObject[];
  readonly allOf?: SchemaObject[];
  readonly oneOf?: SchemaObject[];
  readonly additionalProperties?: boolean | SchemaObject;
}

/** The document as a client gets it, and its operations in order. */
export async function readApi(services: Services): Promise<{ document: OpenApiDocument; operations: ApiOperation[] }> {
  const { json } = await services.call("reader@example.com", "GET", "/api/openapi.json");
  const document = json as OpenApiDocument;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): ApiOperation => {
      const {
        operationId,
        parameters = [],
        requestBody,
        responses,
      } = operation as never as {
        operationId: string;
        parameters?: ApiOperation["parameters"];
        requestBody?: { content: Record<string, { schema?: SchemaObject }> };
        responses: ApiOperation["responses"];
      };
      const body = requestBody?.content["application/json"]?.schema ?? null;
      return { id: operationId, method: method.toUpperCase(), path, parameters, body, responses };
    }),
  );
  return { document, operations };
}

/** Its answer has no end: `events.test.ts` reads it. */
export const ENDLESS = "followChanges";

/** A body that each operation accepts, by operation. A new one with a body must be added, or tests that sweep the API fail. */
const BODIES: Record<string, object> = {
  login: { credential: "of nobody" },
  sendMessage: { message: "Hello" },
  chat: { message: "Hello" },
  createConversation: { title: "Plans" },
  updateConversation: { pinned: true },
  saveMessages: { role: "user", content: "Hello" },
  editMessage: { content: "Hello again" },
  putSession: { conversation_id: "no-such-conversation" },
  appendToSession: { role: "user", content: "Hello" },
  updateSession: { context: { theme: "dark" } },
  importConversations: { backscroll_export: 1, conversations: [] },
};

/** @throws {Error} for an operation with a body that this file does not know */
export function sampleBody(operation: ApiOperation): object | undefined {
  const body = BODIES[operation.id];
  if (operation.body && body === undefined)
    throw new Error(`api-operations.ts does not say what ${operation.id} is sent`);
  return body;
}

/** @param ids a value for every parameter of the path */
export function fillPath(operation: ApiOperation, ids: Record<string, string>): string {
  return operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const id = ids[name];
    if (id === undefined) throw new Error(`nothing known for {${name}} of ${operation.id}`);
    return id;
  });
}

export function resolveSchema(document: OpenApiDocument, schema: SchemaObject): SchemaObject {
  if (schema.$ref === undefined) return schema;
  const found = document.components?.schemas?.[schema.$ref.replace("#/components/schemas/", "")];
  if (!found) throw new Error(`${schema.$ref} is not in the document`);
  return resolveSchema(document, found);
}
