import { type ReactNode, useSyncExternalStore } from "react";
import { chooseTheme, currentTheme, onTheme, type Theme } from "../ui/theme.ts";
import { Section } from "./section.tsx";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function Appearance(): ReactNode {
  const chosen = useSyncExternalStore(onTheme, currentTheme);
  return (
    <Section id="appearance" title="Appearance">
      <fieldset className="flex flex-wrap gap-x-6 gap-y-2">
        <legend className="mb-2 text-14 text-ink2">Theme</legend>
        {THEMES.map(([theme, label]) => (
          <label key={theme} className="flex min-h-8 items-center gap-2 text-14">
            <input
              type="radio"
              name="theme"
              checked={theme === chosen}
              onChange={() => chooseTheme(theme)}
              className="size-4 accent-accent"
            />
            {label}
          </label>
        ))}
      </fieldset>
    </Section>
  );
}
