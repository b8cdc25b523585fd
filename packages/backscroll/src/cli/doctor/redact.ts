import { type Setting, SETTINGS, type SettingName } from "../../settings.ts";

/** A shorter one is found in words that are none. */
const LENGTH_MIN = 4;

/**
 * Messages of servers and libraries are shown as they come: what one of them quotes is taken out.
 *
 * @returns replaces every secret that was set by `***`
 */
export function createRedactor(
  environment: Readonly<Record<string, string | undefined>>,
  flags: Partial<Record<SettingName, string>>,
): (text: string) => string {
  const given = (Object.entries(SETTINGS) as [SettingName, Setting][]).flatMap(([name, { env, secret }]) => {
    const text = flags[name] ?? environment[env] ?? "";
    return secret === true ? [text, ...passwordsIn(text)] : passwordsIn(text);
  });
  const secrets = [...given, environment["OPENAI_API_KEY"] ?? "", environment["ANTHROPIC_API_KEY"] ?? ""]
    .filter((secret) => secret.length >= LENGTH_MIN)
    .toSorted((a, b) => b.length - a.length);
  return (text) => secrets.reduce((told, secret) => told.replaceAll(secret, "***"), text);
}

/** @returns the password of a URL, as it is written and as it is meant */
function passwordsIn(url: string): string[] {
  const password = /:\/\/[^/?#@]*?:([^@/]*)@/.exec(url)?.[1] ?? "";
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
