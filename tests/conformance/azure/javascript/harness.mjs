/** The server that `run.mjs` started, and short words for what most tests do. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import { AIProjectClient } from "@azure/ai-projects";

const ready = JSON.parse(readFileSync(process.env.CONFORMANCE_READY, "utf8"));
const overTls = process.env.CONFORMANCE_SCHEME === "https";

export const HOSTED = {
  kind: "hosted",
  cpu: "0.5",
  memory: "1Gi",
  container_configuration: { image: "example/scripted:1" },
  protocol_versions: [{ protocol: "responses", version: "2.0.0" }],
};
export const VERSION_1 = { type: "version_ref", agent_version: "1" };
export const DAY = 86_400_000;

export const base = ready[process.env.CONFORMANCE_SCHEME];
export const tokenOf = (name) => ready.users.find((user) => user.name === name).token;

/** A user's client of a project. Over TLS it is what the SDK documents; it refuses tokens over plain HTTP. */
export function clientOf(user, project = "default") {
  const credential = {
    getToken: async () => ({ token: tokenOf(user), expiresOnTimestamp: Date.now() + 365 * DAY }),
  };
  const endpoint = `${base}/api/projects/${project}`;
  if (overTls) return new AIProjectClient(endpoint, credential);
  const client = new AIProjectClient(endpoint, credential, { allowInsecureConnection: true });
  for (const { pipeline } of [client._azureScopeClient, client._cognitiveScopeClient]) {
    pipeline.removePolicy({ name: "bearerTokenAuthenticationPolicy" });
    pipeline.addPolicy({
      name: "bearerOverPlainHttp",
      sendRequest: (request, next) => {
        request.headers.set("authorization", `Bearer ${tokenOf(user)}`);
        return next(request);
      },
    });
  }
  return client;
}

export const project = clientOf("alice");

/** The client for responses and conversations below an agent's endpoint. */
export const openaiOf = (agentName, client = project) =>
  client.getOpenAIClient({ azureConfig: { agentName, allowPreview: true } });

export const newName = () => `agent-${randomUUID()}`;

/** Makes an agent from a definition; its name. */
export async function newAgent(definition = HOSTED, options = {}) {
  const name = newName();
  await project.agents.createVersion(name, definition, options);
  return name;
}

/** Makes a session of the agent; its id. */
export const newSession = async (agent, options) =>
  (await project.agents.createSession(agent, VERSION_1, options)).agent_session_id;

export async function all(pages) {
  const found = [];
  for await (const each of pages) found.push(each);
  return found;
}

/** Runs a command of the binary against the server; what it prints. */
export function cli(...args) {
  const env = { ...process.env, SEDERUNT_READY_FILE: process.env.CONFORMANCE_READY };
  return execFileSync(process.env.CONFORMANCE_BINARY, args, { env, encoding: "utf8", timeout: 30_000 });
}

/** Checks that `promise` ends in that error, as `@azure/ai-projects` shows it. */
export async function refused(promise, statusCode, code, param) {
  const error = await promise.then(() => assert.fail(`${statusCode} ${code} was expected`), (thrown) => thrown);
  assert.equal(error.name, "RestError", error.stack);
  assert.deepEqual([error.statusCode, error.code], [statusCode, code], error.message);
  if (param) assert.equal(error.details.error.param, param);
  return error;
}

/** Checks that `promise` ends in that error, as `openai` shows it. */
export async function declined(promise, status, code, param) {
  const error = await promise.then(() => assert.fail(`${status} ${code} was expected`), (thrown) => thrown);
  assert.deepEqual([error.status, error.code], [status, code], error.stack);
  if (param) assert.equal(error.param, param);
  assert.match(error.requestID, /^[0-9a-f]{32}$/);
  return error;
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
