import type { Spread } from "./rounds.ts";

/** One part of the report. */
export interface Section {
  readonly title: string;
  /** Markdown */
  readonly text: string;
  /** longer text behind a fold; only in the file */
  readonly details?: readonly { readonly title: string; readonly text: string }[];
  readonly targets?: readonly Target[];
}

export interface Target {
  readonly name: string;
  readonly wanted: string;
  readonly reached: string;
  readonly met: boolean;
}

export function atLeast(name: string, bound: number, reached: Spread): Target {
  return { name, wanted: `≥ ${bound}`, reached: ratioText(reached), met: reached.median >= bound };
}

export function atMost(name: string, bound: number, reached: Spread): Target {
  return { name, wanted: `≤ ${bound}`, reached: ratioText(reached), met: reached.median <= bound };
}

/** Fails as soon as one is named. */
export function none(name: string, found: readonly string[]): Target {
  return {
    name,
    wanted: "none",
    reached: found.length === 0 ? "none" : found.map((each) => `\`${each}\``).join(", "),
    met: found.length === 0,
  };
}

/** The median, with the middle half of the rounds behind it. */
export function ratioText({ median, low, high }: Spread): string {
  return `**${factor(median)}** (${factor(low)}–${factor(high)})`;
}

function factor(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(value < 10 ? 2 : 0)}×` : "–";
}

export function rateText(perSecond: number): string {
  return `${Math.round(perSecond).toLocaleString("en-US")}/s`;
}

export function msText(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [tableLine(head), tableLine(head.map(() => "---")), ...rows.map(tableLine)].join("\n");
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

export function targetTable(targets: readonly Target[]): string {
  return table(
    ["target", "wanted", "reached", ""],
    targets.map(({ name, wanted, reached, met }) => [name, wanted, reached, met ? "met" : "MISSED"]),
  );
}

/** @param withDetails with what lies behind folds: the file has it, the terminal does not */
export function toMarkdown(
  {
    conditions,
    sections,
    targets: further,
  }: { conditions: readonly string[]; sections: readonly Section[]; targets: readonly Target[] },
  { withDetails }: { withDetails: boolean },
): string {
  const targets = [...sections.flatMap((section) => section.targets ?? []), ...further];
  return [
    "# Measured",
    "Written by `npm run bench`; [README.md](README.md) says how to read it.",
    conditions.map((condition) => `- ${condition}`).join("\n"),
    "## Targets",
    targetTable(targets),
    ...sections.flatMap(({ title, text, details = [] }) => [
      `## ${title}`,
      text,
      ...(withDetails ? details.map(fold) : []),
    ]),
    "",
  ].join("\n\n");
}

function fold({ title, text }: { title: string; text: string }): string {
  return `<details><summary>${title}</summary>\n\n\`\`\`text\n${text}\n\`\`\`\n\n</details>`;
}
