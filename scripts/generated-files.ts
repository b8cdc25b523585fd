import { loadConfig } from "../packages/backscroll/src/config.ts";
import { defaultText, flagOf, type Setting, SETTINGS } from "../packages/backscroll/src/settings.ts";
import { create } from "../packages/backscroll/src/create.ts";
import { ERROR_CODES, type ErrorCode } from "../packages/backscroll/src/domain/errors.ts";
import { openApiDocument } from "../packages/backscroll/src/http/docs.ts";
import { STATUS } from "../packages/backscroll/src/http/errors.ts";
import { dumpSchema } from "./dump-schema.ts";
import { envExample } from "./env-example.ts";
import { helmValuesSchema } from "./helm-values-schema.ts";

/**
 * Everything in the repository that is made from the code, by path.
 *
 * @param databaseUrl an empty schema: it is migrated and described
 */
export async function generatedFiles(databaseUrl: string): Promise<ReadonlyMap<string, string>> {
  const backscroll = await create({ ...loadConfig({}), databaseUrl, logLevel: "silent" });
  try {
    return new Map([
      ["openapi.json", `${JSON.stringify(openApiDocument(backscroll.app), null, 2)}\n`],
      ["packages/backscroll/schema.sql", await dumpSchema(databaseUrl)],
      ["docs/configuration.md", configurationPage()],
      ["docs/errors.md", errorsPage()],
      [".env.example", envExample()],
      ["deploy/helm/backscroll/values.schema.json", helmValuesSchema()],
    ]);
  } finally {
    await backscroll.close();
  }
}

function configurationPage(): string {
  const rows = Object.values(SETTINGS).map((setting: Setting) => {
    return `| \`${setting.env}\` | \`${flagOf(setting)}\` | ${defaultText(setting)} | ${setting.doc}${setting.secret ? " Secret." : ""} |`;
  });
  return [
    "# Configuration",
    "",
    "Every setting is an environment variable and a flag; the flag goes first. An empty variable counts as absent.",
    "Generated from `config.ts` by `npm run generate`.",
    "",
    "| variable | flag | default | what it does |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

function errorsPage(): string {
  const rows = (Object.entries(ERROR_CODES) as [ErrorCode, string][]).map(
    ([code, meaning]) => `| \`${code}\` | ${STATUS[code]} | ${meaning} |`,
  );
  return [
    "# Errors",
    "",
    "Every failure is answered as `application/problem+json` with one of these codes.",
    "Generated from `domain/errors.ts` by `npm run generate`.",
    "",
    "| code | status | meaning |",
    "| --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
