#!/usr/bin/env node
import { refusalOf } from "../supported-node.ts";

// An older Node.js fails on what main.ts imports, with something that tells nobody what to do. This file and what it
// imports first run on it.
const refusal = refusalOf(process.versions.node);
if (refusal === null) void import("./main.ts");
else {
  process.stderr.write(`✗ ${refusal}\n`);
  process.exitCode = 2;
}
