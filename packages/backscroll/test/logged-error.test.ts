import { expect, test } from "vitest";
import { loggedError } from "../src/domain/logged-error.ts";

test("a line of what an error quotes does not pass for one of its stack", () => {
  const planted = "planted-secret";
  const quoting = [
    new SyntaxError(`Unexpected token in "\n    at ${planted} (x:1:1)\n"`),
    new SyntaxError(`\n    at ${planted}`),
    Object.assign(new Error(`value "\n    at ${planted}"`), { severity: "ERROR", code: "22P02" }),
  ];
  for (const error of quoting) {
    expect(JSON.stringify(loggedError(error))).not.toContain(planted);
    expect(loggedError(error).stack).toContain("logged-error.test.ts");
  }
});
