/** Runs the tests of @azure/ai-projects against a server of their own. */

import { join } from "node:path";

import { run } from "../../harness/suite.mjs";

await run(import.meta.dirname, join(import.meta.dirname, "../script.toml"));
