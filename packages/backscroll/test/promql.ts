import { parser } from "@prometheus-io/lezer-promql";

/** A metric as an expression names it. */
interface Selector {
  readonly metric: string;
  /** with its matchers and without a range, e.g. `up{job="a"}` */
  readonly text: string;
}

/** @returns every metric that a PromQL expression asks for @throws {Error} when it is none */
export function selectorsOf(expression: string): readonly Selector[] {
  const selectors: Selector[] = [];
  parser.parse(expression).iterate({
    enter({ type, node, from, to }) {
      if (type.isError) throw new Error(`not PromQL, at character ${from}: ${expression}`);
      if (type.name !== "VectorSelector") return;
      const name = node.getChild("Identifier");
      if (!name) throw new Error(`a selector without a metric: ${expression}`);
      selectors.push({ metric: expression.slice(name.from, name.to), text: expression.slice(from, to) });
    },
  });
  return selectors;
}
