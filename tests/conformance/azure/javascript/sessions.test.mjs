/** Sessions of a hosted agent. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";

import {
  DAY, HOSTED, VERSION_1, all, cli, clientOf, newAgent, newName, newSession, openaiOf, project, refused,
} from "./harness.mjs";

const { agents } = project;
const ids = (sessions) => sessions.map((session) => session.agent_session_id);
let agent;

before(async () => {
  agent = await newAgent();
});

describe("createSession", () => {
  test("makes an id, and an active session that lives for thirty days", async () => {
    const made = await agents.createSession(agent, VERSION_1);
    assert.match(made.agent_session_id, /^[0-9a-f]{63}$/);
    assert.deepEqual(made.version_indicator, VERSION_1);
    assert.equal(made.status, "active");
    assert.ok(Math.abs(made.created_at - Date.now()) < 60_000);
    assert.equal(made.expires_at - made.last_accessed_at, 30 * DAY);
    assert.equal(made.stopped_at, undefined);
  });

  test("keeps the caller's id, once", async () => {
    const own = { agentSessionId: `own-${randomUUID()}` };
    assert.equal((await agents.createSession(agent, VERSION_1, own)).agent_session_id, own.agentSessionId);
    await refused(agents.createSession(agent, VERSION_1, own), 409, "session_already_exists", "agent_session_id");
  });

  test("refuses what cannot be an id", async () => {
    for (const agentSessionId of ["short", "has a blank", "x".repeat(129), "naïve-name"]) {
      const made = agents.createSession(agent, VERSION_1, { agentSessionId });
      await refused(made, 400, "invalid_request_error", "agent_session_id");
    }
  });

  test("knows the agent and its versions", async () => {
    await refused(agents.createSession(newName(), VERSION_1), 404, "not_found");
    await refused(agents.createSession(agent, { type: "version_ref", agent_version: "7" }), 404, "not_found");
    await refused(agents.createSession(agent, { type: "nonsense" }), 400, "invalid_request_error");
  });

  test("is for hosted agents", async () => {
    const prompt = await newAgent({ kind: "prompt", model: "any" });
    await refused(agents.createSession(prompt, VERSION_1), 400, "invalid_request_error");
  });
});

test("getSession finds what was made, and nothing else", async () => {
  const made = await agents.createSession(agent, VERSION_1);
  assert.deepEqual(await agents.getSession(agent, made.agent_session_id), made);
  const error = await refused(agents.getSession(agent, "no-such-session"), 404, "not_found");
  assert.ok(error.message);
  await refused(agents.getSession(await newAgent(), made.agent_session_id), 404, "not_found");
});

describe("listSessions", () => {
  let crowd;
  let newestFirst;

  before(async () => {
    crowd = await newAgent();
    const oldestFirst = Array.from({ length: 25 }, (_, at) => `session-${at}`);
    for (const agentSessionId of oldestFirst) await newSession(crowd, { agentSessionId });
    newestFirst = oldestFirst.toReversed();
  });

  test("iterates over 25 sessions, ten a page, newest first", async () => {
    assert.deepEqual(ids(await all(agents.listSessions(crowd, { limit: 10 }))), newestFirst);
    assert.deepEqual(ids(await all(agents.listSessions(crowd, { limit: 25 }))), newestFirst);
    assert.deepEqual(ids(await all(agents.listSessions(crowd, { limit: 10, order: "asc" }))), newestFirst.toReversed());
  });

  test("goes by pages, and on from a page's token", async () => {
    const pages = await all(agents.listSessions(crowd, { limit: 10 }).byPage());
    assert.deepEqual(pages.map((page) => page.length), [10, 10, 5]);
    assert.deepEqual(ids(pages.flat()), newestFirst);
    assert.equal(pages[2].continuationToken, undefined);
    const { continuationToken } = pages[0];
    const rest = await all(agents.listSessions(crowd).byPage({ continuationToken }));
    assert.deepEqual(ids(rest.flat()), newestFirst.slice(10));
  });

  test("keeps within `after` and `before`", async () => {
    const between = { after: newestFirst[4], before: newestFirst[20], limit: 6 };
    assert.deepEqual(ids(await all(agents.listSessions(crowd, { after: newestFirst[19] }))), newestFirst.slice(20));
    assert.deepEqual(ids(await all(agents.listSessions(crowd, { before: newestFirst[5] }))), newestFirst.slice(0, 5));
    assert.deepEqual(ids(await all(agents.listSessions(crowd, between))), newestFirst.slice(5, 20));
  });

  test("ends where there is nothing", async () => {
    const nobody = await newAgent();
    assert.deepEqual(await all(agents.listSessions(nobody)), []);
    assert.deepEqual((await all(agents.listSessions(nobody).byPage())).map((page) => page.length), [0]);
  });

  test("refuses limits, orders and cursors that are none", async () => {
    const unknown = "no-such-session";
    for (const options of [{ limit: 0 }, { limit: 101 }, { order: "up" }, { after: unknown }, { before: unknown }]) {
      await refused(all(agents.listSessions(crowd, options)), 400, "invalid_request_error");
    }
    await refused(all(agents.listSessions(newName())), 404, "not_found");
  });
});

test("stopSession suspends the session, and can be repeated", async () => {
  const id = await newSession(agent);
  await agents.stopSession(agent, id);
  const stopped = await agents.getSession(agent, id);
  assert.equal(stopped.status, "idle");
  assert.ok(stopped.stopped_at >= stopped.created_at);
  await agents.stopSession(agent, id);
  await refused(agents.stopSession(agent, "no-such-session"), 404, "not_found");
});

test("deleteSession removes the session, and can be repeated", async () => {
  const own = await newAgent();
  const id = await newSession(own);
  await agents.deleteSession(own, id);
  await agents.deleteSession(own, id);
  await refused(agents.getSession(own, id), 404, "not_found");
  assert.deepEqual(await all(agents.listSessions(own)), []);
  await refused(agents.deleteSession(newName(), id), 404, "not_found");
});

test("a session idles after its version's timeout, and wakes when it is spoken to", async () => {
  const sleepy = await newAgent({ ...HOSTED, session_configuration: { idle_timeout_seconds: 120 } });
  const made = await agents.createSession(sleepy, VERSION_1);
  const id = made.agent_session_id;
  cli("clock", "advance", "121s");
  const idle = await agents.getSession(sleepy, id);
  assert.equal(idle.status, "idle");
  assert.equal(idle.stopped_at - made.last_accessed_at, 120_000);
  await openaiOf(sleepy).responses.create({ input: "three words", agent_session_id: id });
  const awake = await agents.getSession(sleepy, id);
  assert.equal(awake.status, "active");
  assert.ok(awake.last_accessed_at - made.last_accessed_at >= 121_000);
  assert.equal(awake.expires_at - awake.last_accessed_at, 30 * DAY);
});

test("projects do not see each other's agents", async () => {
  await refused(clientOf("alice", "elsewhere").agents.getSession(agent, await newSession(agent)), 404, "not_found");
});
