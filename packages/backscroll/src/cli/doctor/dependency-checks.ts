import { errorMessage } from "../../domain/errors.ts";
import { type Check, fail, ok, unreachable } from "./check.ts";

const KEY_NAMES: Readonly<Record<string, string>> = { openai: "OPENAI_API_KEY", anthropic: "ANTHROPIC_API_KEY" };

/** Who else is needed: the model or agent that answers, and who issues tokens. */
export const DEPENDENCY_CHECKS: readonly Check[] = [
  {
    id: "responder",
    title: "Responder",
    examine({ responder, config }) {
      const name = config.responderUrl === undefined ? config.model : "the agent of RESPONDER_URL";
      if (name === undefined) return ok("ELIZA, an offline demo: MODEL or RESPONDER_URL chooses another");
      if (responder === null) return null;
      if (responder.value) return ok(`${name}, ${responder.url.host} takes connections (it was not asked anything)`);
      const variable = config.responderUrl === undefined ? "MODEL_BASE_URL" : "RESPONDER_URL";
      return unreachable(
        `${name}, ${responder.url.host}: ${reasonOf(responder.error)}`,
        `Start it, correct ${variable}, or let a firewall or proxy pass ${responder.url.host}`,
      );
    },
  },
  {
    id: "responder-key",
    title: "Key of the model",
    examine({ config, environment }) {
      const variable = KEY_NAMES[config.model?.split("/", 1)[0] ?? ""];
      if (config.responderUrl !== undefined || variable === undefined) return null;
      if (config.modelApiKey !== undefined) return ok("MODEL_API_KEY");
      if ((environment[variable] ?? "") !== "") return ok(variable);
      return fail(`MODEL=${config.model} has no key`, `Set ${variable} (or MODEL_API_KEY)`);
    },
  },
  {
    id: "jwks",
    title: "Keys of the identity provider",
    examine({ identityProvider, config }) {
      if (identityProvider === null) return null;
      const { host } = new URL(config.jwtJwksUrl ?? "");
      const fix = "Correct JWT_JWKS_URL, or let a firewall or proxy pass it; without its keys every token is refused";
      if (identityProvider.value === undefined) return unreachable(`${host}: ${reasonOf(identityProvider.error)}`, fix);
      if (identityProvider.value === 0) return fail(`${host} shows no key`, fix);
      return ok(`${host} shows ${identityProvider.value}`);
    },
  },
];

/** `fetch` says only that it failed; why is its cause. */
function reasonOf(error: unknown): string {
  return errorMessage(error instanceof Error ? (error.cause ?? error) : error);
}
