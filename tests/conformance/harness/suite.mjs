/**
 * Starts a server and runs the tests against it in a process of their own: Node reads the root that it shall trust
 * (`NODE_EXTRA_CA_CERTS`) once, at its start, and the server makes that root when it starts.
 */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const root = join(import.meta.dirname, "../../..");
const binary = process.env.CONFORMANCE_BINARY ?? join(root, "target/debug/sederunt");
const scheme = process.env.CONFORMANCE_SCHEME ?? "http";
const START_LIMIT = 30_000;

/** Settings of the surroundings are none of the server's. */
const surroundings = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SEDERUNT_")));

/** Runs every `*.test.mjs` in the folder `suite` against a server with this script; the exit code says how it went. */
export async function run(suite, script) {
  const folder = mkdtempSync(join(tmpdir(), "sederunt-conformance-"));
  const ready = join(folder, "ready.json");
  const postgres = process.env.CONFORMANCE_STORE === "postgres" ? startPostgres() : undefined;
  const store = postgres ? ["--set", `store.url=${await database(postgres)}`] : [];
  const server = spawn(
    binary,
    ["dev", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--ready-file", ready, "--script", script, ...store],
    {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...surroundings, SEDERUNT_HTTP_DRAIN: "1s", XDG_STATE_HOME: join(root, "target/xtask/state") },
    },
  );
  const ended = new Promise((resolve) => server.once("exit", resolve).once("error", resolve));
  try {
    await started(server, ready);
    process.exitCode = await test(suite, ready);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    server.kill("SIGTERM");
    const forced = setTimeout(() => server.kill("SIGKILL"), 15_000);
    await ended;
    clearTimeout(forced);
    postgres?.stdin.end();
    rmSync(folder, { recursive: true });
  }
}

/** A PostgreSQL for the tests; it ends when its input does, or with this process. */
const startPostgres = () =>
  spawn(join(root, "target/debug/sederunt-test-postgres"), { stdio: ["pipe", "pipe", "inherit"] });

/** The URL of a fresh database. */
async function database(postgres) {
  postgres.stdin.write("database\n");
  for await (const url of createInterface({ input: postgres.stdout })) return url;
  throw new Error("there is no PostgreSQL to test with");
}

async function started(server, ready) {
  const deadline = Date.now() + START_LIMIT;
  while (!existsSync(ready)) {
    if (server.exitCode !== null || server.pid === undefined) throw new Error("the server ended before it was ready");
    if (Date.now() > deadline) throw new Error("the server was not ready in time");
    await pause(10);
  }
}

function test(suite, ready) {
  const tests = readdirSync(suite).filter((name) => name.endsWith(".test.mjs")).map((name) => join(suite, name));
  const environment = {
    ...surroundings,
    CONFORMANCE_READY: ready,
    CONFORMANCE_SCHEME: scheme,
    CONFORMANCE_BINARY: binary,
    ...(scheme === "https" && { NODE_EXTRA_CA_CERTS: JSON.parse(readFileSync(ready, "utf8")).ca }),
  };
  // One file at a time: the clock that one of them moves is everybody's.
  const options = ["--test-reporter=spec", "--test-timeout=60000", "--test-force-exit", "--test-concurrency=1"];
  const child = spawn(process.execPath, ["--test", ...options, ...tests], { stdio: "inherit", env: environment });
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}
