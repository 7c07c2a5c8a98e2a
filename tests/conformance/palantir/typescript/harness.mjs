/** The server that `run.mjs` started, and short words for what most tests do. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { createPlatformClient } from "@osdk/client";

const ready = JSON.parse(readFileSync(process.env.CONFORMANCE_READY, "utf8"));

export const base = ready[process.env.CONFORMANCE_SCHEME];
export const oauth = ready.oauth;
export const preview = { preview: true };
export const NO_AGENT = "ri.aip-agents..agent.00000000-0000-7000-8000-000000000000";
export const NO_SESSION = "ri.aip-agents..session.00000000-0000-7000-8000-000000000000";

export const tokenOf = (name) => ready.users.find((user) => user.name === name).token;
export const agentOf = (key) => ready.agents.find((agent) => agent.key === key).rid;
export const clientOf = (name) => createPlatformClient(base, async () => tokenOf(name));

/** Runs a command of the binary against the server; what it prints. */
export function cli(...args) {
  const env = { ...process.env, SEDERUNT_READY_FILE: process.env.CONFORMANCE_READY };
  return execFileSync(process.env.CONFORMANCE_BINARY, args, { env, encoding: "utf8", timeout: 30_000 });
}

/** Makes an agent, published unless told otherwise, from the text of its TOML file; its RID. */
export function createAgent(key, definition, { published = true } = {}) {
  const flags = [...(published ? ["--publish"] : []), "--json"];
  return JSON.parse(withFile(key, definition, (path) => cli("agent", "create", path, ...flags))).rid;
}

/** Saves a new version of an agent, unpublished. */
export const saveAgent = (key, definition) =>
  withFile(key, definition, (path) => cli("agent", "save", key, path));

/** Publishes the last saved version of an agent. */
export const publish = (key) => cli("agent", "publish", key);

function withFile(key, definition, use) {
  const folder = mkdtempSync(join(tmpdir(), "sederunt-agent-"));
  try {
    const path = join(folder, `${key}.toml`);
    writeFileSync(path, `key = "${key}"\n${definition}`);
    return use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The error that `promise` must end in, which has this status, name and parameters. */
export async function refused(promise, statusCode, errorName, parameters) {
  const error = await promise.then(
    () => assert.fail(`${errorName} was expected`),
    // With several copies of the errors package installed, the error proper is the cause.
    (thrown) => thrown.cause ?? thrown,
  );
  assert.equal(error.errorName, errorName, error.stack);
  assert.equal(error.statusCode, statusCode);
  if (parameters) assert.deepEqual(error.parameters, parameters);
  assert.match(error.errorInstanceId, /^[0-9a-f-]{36}$/);
  return error;
}

/** A streamed answer's chunks as they come, as text. */
export async function* chunksOf(response) {
  for await (const chunk of response.body) yield new TextDecoder("utf-8", { fatal: true }).decode(chunk);
}

/** Waits for something that another request brings about. */
export async function until(condition, what) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < deadline, `waited 15 s for: ${what}`);
    await pause(20);
  }
}
