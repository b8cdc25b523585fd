import { type ReactNode, useSyncExternalStore } from "react";
import { choose, FOLLOW_REPLIES, useChoice } from "../ui/choice.ts";
import { chooseTheme, currentTheme, onTheme, type Theme } from "../ui/theme.ts";
import { Section } from "./section.tsx";

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

export function Appearance(): ReactNode {
  const follows = useChoice(FOLLOW_REPLIES);
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
      <label className="flex min-h-8 flex-wrap items-center gap-x-2 text-14">
        <input
          type="checkbox"
          checked={follows}
          onChange={({ target }) => choose(FOLLOW_REPLIES, target.checked)}
          className="size-4 accent-accent"
        />
        Follow a reply while it is written
        <span className="text-13 text-ink2">as long as the end of the conversation is in sight</span>
      </label>
    </Section>
  );
}
