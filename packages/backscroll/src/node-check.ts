import { refusalOf } from "./supported-node.ts";

// The first thing that the library evaluates: what comes after would fail on an older Node.js without saying why.
const refusal = refusalOf(process.versions.node);
if (refusal !== null) throw new Error(refusal);
