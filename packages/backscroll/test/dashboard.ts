import { readFileSync } from "node:fs";

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: unknown }[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; query: unknown }[] };
}

const FILE = new URL("../../../deploy/grafana/dashboards/backscroll.json", import.meta.url);

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(FILE, "utf8")) as Dashboard;
}

/** Each panel's expressions, with what Grafana would put in the place of its variables. */
export function expressionsOf(
  { panels }: Dashboard,
  variables: Readonly<Record<string, string>>,
): readonly { readonly panel: string; readonly expression: string }[] {
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      panel: title,
      expression: expr.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, plain?: string) => {
        const value = variables[braced ?? plain ?? ""];
        if (value === undefined) throw new Error(`${title}: nobody says what ${whole} is`);
        return value;
      }),
    })),
  );
}
