/** Every operation of `@osdk/foundry.aipagents`, and its errors as the SDK shows them. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, beforeEach, describe, test } from "node:test";

import { createClient } from "@osdk/client";
import { Agents, AgentVersions, Contents, Sessions, SessionTraces } from "@osdk/foundry.aipagents";
import { foundryPlatformFetch } from "@osdk/shared.net.platformapi";

import {
  NO_AGENT, NO_SESSION, agentOf, base, chunksOf, cli, clientOf, createAgent, preview, publish, refused, saveAgent, tokenOf,
  until,
} from "./harness.mjs";

const client = clientOf("alice");
const echo = agentOf("echo");
const text = (value) => ({ userInput: { text: value }, parameterInputs: {} });
const said = async (agent, session) =>
  (await Contents.get(client, agent, session, preview)).exchanges.map((exchange) => [
    exchange.userInput.text,
    exchange.result.agentMarkdownResponse,
  ]);
/** What newer releases call `deleteSession`: its exact call. */
const deleteSession = (as, ...args) =>
  foundryPlatformFetch(as, [3, "/v2/aipAgents/agents/{0}/sessions/{1}", 2], ...args);

/** Every operation on `rid`, an agent's session, answers that it is not there. */
async function isMissing(as, rid) {
  const gone = { agentRid: scripted, sessionRid: rid };
  const at = [as, scripted, rid];
  for (const operation of [
    () => Sessions.get(...at, preview),
    () => Contents.get(...at, preview),
    () => SessionTraces.get(...at, randomUUID(), preview),
    () => Sessions.blockingContinue(...at, text("x"), preview),
    () => Sessions.streamingContinue(...at, text("x"), preview),
    () => Sessions.ragContext(...at, text("x"), preview),
    () => Sessions.cancel(...at, { messageId: randomUUID() }, preview),
    () => Sessions.updateTitle(...at, { title: "x" }, preview),
    () => deleteSession(...at, preview),
  ]) {
    await refused(operation(), 404, "SessionNotFound", gone);
  }
}

let scripted;
let draft;
let versions;
let pumps;
let session;

before(() => {
  scripted = createAgent("scripted", 'name = "Scripted"\n');
  draft = createAgent("draft", 'name = "Draft"\n', { published: false });
  versions = createAgent("versions", 'name = "First"\n');
  for (const name of ["Second", "Third"]) saveAgent("versions", `name = "${name}"\n`);
  publish("versions");
  pumps = createAgent("pumps", 'name = "Pumps"\n[parameters.due]\ntype = "data"\n[parameters.site]\ntype = "text"\n');
});

beforeEach(async () => {
  session = (await Sessions.create(client, scripted, {}, preview)).rid;
});

describe("Agents and AgentVersions", () => {
  test("an agent is read, in any version", async () => {
    const agent = await Agents.get(client, echo, preview);
    assert.equal(agent.rid, echo);
    assert.equal(agent.version, "1.0");
    assert.deepEqual(agent.parameters, {});
    assert.ok(Array.isArray(agent.metadata.suggestedPrompts));
    assert.equal((await Agents.get(client, echo, { version: "1.0", ...preview })).version, "1.0");
    const versions = await AgentVersions.list(client, echo, preview);
    assert.deepEqual(versions, { data: [{ string: "1.0", version: { major: 1, minor: 0 } }] });
    assert.deepEqual(await AgentVersions.get(client, echo, "1.0", preview), versions.data[0]);
  });

  test("what is wrong with a version has a name", async () => {
    await refused(Agents.get(client, NO_AGENT, preview), 404, "AgentNotFound", { agentRid: NO_AGENT });
    await refused(Agents.get(client, echo, { version: "x", ...preview }), 400, "InvalidAgentVersion", {
      agentRid: echo,
      version: "x",
    });
    await refused(AgentVersions.get(client, echo, "x", preview), 400, "InvalidAgentVersion", {
      agentRid: echo,
      version: "x",
    });
    const missing = { agentRid: echo, agentVersionString: "9.9" };
    await refused(AgentVersions.get(client, echo, "9.9", preview), 404, "AgentVersionNotFound", missing);
    await refused(Agents.get(client, echo, { version: "9.9", ...preview }), 404, "AgentVersionNotFound", missing);
    await refused(Agents.get(client, draft, preview), 400, "NoPublishedAgentVersion", { agentRid: draft });
    await refused(AgentVersions.list(client, NO_AGENT, preview), 404, "AgentNotFound", { agentRid: NO_AGENT });
  });

  test("versions come newest first, in pages", async () => {
    const seen = [];
    let page = {};
    do {
      page = await AgentVersions.list(client, versions, { pageSize: 2, pageToken: page.nextPageToken, ...preview });
      assert.ok(page.data.length <= 2);
      seen.push(...page.data.map(({ string }) => string));
    } while (page.nextPageToken);
    const all = (await AgentVersions.list(client, versions, preview)).data;
    assert.deepEqual(seen, all.map(({ string }) => string));
    assert.ok(seen.length > 2);
    const numbers = all.map(({ version }) => version.major * 1_000 + version.minor);
    assert.deepEqual(numbers, numbers.toSorted((a, b) => b - a));
  });

  test("an error has a description and no preview is an error", async () => {
    const error = await refused(Agents.get(client, echo), 400, "ApiFeaturePreviewUsageOnly", {});
    assert.equal(error.errorCode, "INVALID_ARGUMENT");
    assert.match(error.errorDescription, /preview/);
  });

  test("a wrong token is unauthorized", async () => {
    const stranger = createClient(base, "ri.ontology.main.ontology.x", async () => "wrong");
    await refused(Agents.get(stranger, echo, preview), 401, "Default:Unauthorized");
  });

  test("a client made for an ontology and a base with a slash work too", async () => {
    const token = async () => tokenOf("alice");
    const other = createClient(`${base.replace(/\/$/, "")}/`, "ri.ontology.main.ontology.x", token);
    assert.equal((await Agents.get(other, echo, preview)).rid, echo);
  });
});

describe("Sessions", () => {
  test("a session is made, read, renamed and deleted", async () => {
    const made = await Sessions.create(client, echo, {}, preview);
    assert.equal(made.agentRid, echo);
    assert.equal(made.agentVersion, "1.0");
    assert.equal(made.metadata.messageCount, 0);
    assert.deepEqual(await Sessions.get(client, echo, made.rid, preview), made);
    assert.equal(await Sessions.updateTitle(client, echo, made.rid, { title: "x".repeat(250) }, preview), undefined);
    assert.equal((await Sessions.get(client, echo, made.rid, preview)).metadata.title, "x".repeat(200));
    assert.equal((await Sessions.list(client, echo, preview)).data[0].metadata.title, "x".repeat(200));
    assert.equal(await deleteSession(client, echo, made.rid, preview), undefined);
    const gone = { agentRid: echo, sessionRid: made.rid };
    await refused(Sessions.get(client, echo, made.rid, preview), 404, "SessionNotFound", gone);
    await refused(deleteSession(client, echo, made.rid, preview), 404, "SessionNotFound", gone);
  });

  test("a session is not made where there is nothing to talk to", async () => {
    const create = (agent, request = {}) => Sessions.create(client, agent, request, preview);
    await refused(create(NO_AGENT), 404, "AgentNotFound", { agentRid: NO_AGENT });
    await refused(create(draft), 400, "NoPublishedAgentVersion", { agentRid: draft });
    await refused(create(echo, { agentVersion: "x" }), 400, "InvalidAgentVersion", { agentRid: echo, version: "x" });
    await refused(create(echo, { agentVersion: "9.9" }), 404, "AgentVersionNotFound", {
      agentRid: echo,
      agentVersionString: "9.9",
    });
  });

  test("a deleted session is missing everywhere", async () => {
    const { rid } = await Sessions.create(client, scripted, {}, preview);
    await deleteSession(client, scripted, rid, preview);
    await isMissing(client, rid);
    assert.ok(!(await Sessions.list(client, scripted, preview)).data.some((listed) => listed.rid === rid));
  });

  test("an exchange is counted, gives the title and puts expiry off; a day later the session is missing", async () => {
    const { rid, metadata: before } = await Sessions.create(client, scripted, {}, preview);
    cli("clock", "advance", "1h");
    await Sessions.blockingContinue(client, scripted, rid, text("three words"), preview);
    const { metadata } = await Sessions.get(client, scripted, rid, preview);
    assert.equal(metadata.messageCount, 2);
    assert.equal(metadata.title, "three words");
    assert.equal(metadata.createdTime, before.createdTime);
    const [was, updated, expires] = [before.updatedTime, metadata.updatedTime, metadata.estimatedExpiresTime].map(Date.parse);
    assert.ok(updated >= was + 3_600_000);
    assert.equal(expires - updated, 24 * 3_600_000);
    assert.deepEqual((await Sessions.list(client, scripted, { pageSize: 1, ...preview })).data[0].metadata, metadata);
    cli("clock", "advance", "25h");
    await isMissing(client, rid);
  });

  test("lists come in pages, newest first", async () => {
    const made = [];
    for (let n = 0; n < 5; n += 1) made.unshift((await Sessions.create(client, echo, {}, preview)).rid);
    for (const list of [
      (page) => Sessions.list(client, echo, { pageSize: 2, ...page, ...preview }),
      (page) => Agents.allSessions(client, { pageSize: 2, ...page, ...preview }),
    ]) {
      const seen = [];
      let pageToken;
      do {
        const page = await list(pageToken && { pageToken });
        assert.ok(page.data.length > 0 && page.data.length <= 2);
        seen.push(...page.data.map(({ rid }) => rid));
        pageToken = page.nextPageToken;
        assert.notEqual(pageToken, "");
      } while (pageToken && seen.length < 5);
      assert.deepEqual(seen.slice(0, 5), made);
    }
    for (const list of [(page) => Sessions.list(client, echo, page), (page) => Agents.allSessions(client, page)]) {
      await refused(list({ pageSize: 0, ...preview }), 400, "InvalidPageSize", { pageSize: 0 });
      await refused(list({ pageToken: "nonsense", ...preview }), 400, "InvalidPageToken");
    }
  });

  test("a page holds at most 100, of one's own sessions", async () => {
    const bob = clientOf("bob");
    for (let n = 0; n < 101; n += 1) await Sessions.create(bob, echo, {}, preview);
    for (const pageSize of [1_000, undefined]) {
      for (const list of [(page) => Sessions.list(bob, echo, page), (page) => Agents.allSessions(bob, page)]) {
        const page = await list({ pageSize, ...preview });
        assert.equal(page.data.length, 100);
        assert.ok(page.nextPageToken);
        assert.ok(page.data.every(({ rid }) => rid !== session));
      }
    }
  });

  test("another user's session looks missing", async () => {
    await isMissing(clientOf("bob"), session);
    await isMissing(client, NO_SESSION);
  });

  test("parameters are checked, and nothing is stored", async () => {
    const { rid } = await Sessions.create(client, pumps, {}, preview);
    const both = { agentRid: pumps, sessionRid: rid };
    const wrong = { due: { type: "string", value: "x" } };
    const nope = { nope: { type: "string", value: "x" } };
    for (const operation of [Sessions.blockingContinue, Sessions.streamingContinue]) {
      const say = (parameterInputs) => operation(client, pumps, rid, { ...text("which site"), parameterInputs }, preview);
      await refused(say(nope), 400, "InvalidParameter", { ...both, parameter: "nope" });
      await refused(say(wrong), 400, "InvalidParameterType", {
        ...both,
        parameter: "due",
        expectedType: "objectSet",
        receivedType: "string",
      });
    }
    assert.deepEqual(await said(pumps, rid), []);
  });

  test("a later exchange sees the earlier one, and content is chronological", async () => {
    await Sessions.blockingContinue(client, scripted, session, text("first of several"), preview);
    const later = await Sessions.blockingContinue(client, scripted, session, text("what did I say?"), preview);
    assert.equal(later.agentMarkdownResponse, "user: first of several\nagent: noted\n");
    assert.deepEqual((await said(scripted, session)).map(([message]) => message), ["first of several", "what did I say?"]);
  });

  test("content has the contexts of an exchange, and not the exchange in progress", async () => {
    await Sessions.blockingContinue(client, scripted, session, text("look up"), preview);
    const contexts = async () => (await Contents.get(client, scripted, session, preview)).exchanges.map((e) => e.contexts);
    const [found] = await contexts();
    assert.equal(found.objectContexts.length, 1);
    assert.equal(found.functionRetrievedContexts[0].retrievedPrompt, "Pumps are blue.");
    const messageId = randomUUID();
    const response = await Sessions.streamingContinue(client, scripted, session, { ...text("hang"), messageId }, preview);
    const chunks = chunksOf(response);
    await chunks.next();
    assert.equal((await contexts()).length, 1);
    await Sessions.cancel(client, scripted, session, { messageId }, preview);
    await chunks.return();
  });

  test("an unknown message cannot be cancelled", async () => {
    const messageId = randomUUID();
    const cancel = Sessions.cancel(client, scripted, session, { messageId }, preview);
    await refused(cancel, 400, "CancelSessionFailedMessageNotInProgress", {
      agentRid: scripted,
      sessionRid: session,
      messageId,
    });
  });

  test("an exchange is blocking, and content holds it", async () => {
    const sessionTraceId = randomUUID();
    const request = { ...text("three words"), sessionTraceId };
    const result = await Sessions.blockingContinue(client, scripted, session, request, preview);
    assert.deepEqual(result, {
      agentMarkdownResponse: "one two three",
      parameterUpdates: {},
      totalTokensUsed: 10,
      interruptedOutput: false,
      sessionTraceId,
    });
    const content = await Contents.get(client, scripted, session, preview);
    assert.deepEqual(content, { exchanges: [{ userInput: { text: "three words" }, result }] });
    const again = Sessions.blockingContinue(client, scripted, session, request, preview);
    await refused(again, 400, "SessionTraceIdAlreadyExists", {
      agentRid: scripted,
      sessionRid: session,
      sessionTraceId,
    });
  });

  test("faults of the model have their names", async () => {
    for (const [kind, status, name] of [
      ["context_too_large", 400, "ContextSizeExceededLimit"],
      ["iterations", 400, "AgentIterationsExceededLimit"],
      ["rate_limited", 400, "RateLimitExceeded"],
      ["retries_used_up", 400, "RetryAttemptsExceeded"],
      ["deadline_passed", 400, "RetryDeadlineExceeded"],
      ["failed", 500, "SessionExecutionFailed"],
    ]) {
      await refused(
        Sessions.blockingContinue(client, scripted, session, text(`fault ${kind}`), preview),
        status,
        name,
      );
    }
    assert.deepEqual(await said(scripted, session), []);
  });

  test("a stream arrives in chunks, each of whole characters", async () => {
    const response = await Sessions.streamingContinue(client, scripted, session, text("letters"), preview);
    assert.equal(response.headers.get("content-type"), "application/octet-stream");
    let streamed = "";
    for await (const chunk of chunksOf(response)) streamed += chunk;
    assert.equal(streamed, "Grüße, 東京 und 🐝🐝");
    assert.deepEqual(await said(scripted, session), [["letters", streamed]]);
  });

  test("a stream is cancelled while it runs, and the session is free", async () => {
    const messageId = randomUUID();
    const request = { ...text("hang"), messageId };
    const response = await Sessions.streamingContinue(client, scripted, session, request, preview);
    const chunks = chunksOf(response);
    assert.ok("one two ".startsWith((await chunks.next()).value));
    await refused(
      Sessions.blockingContinue(client, scripted, session, text("three words"), preview),
      409,
      "Default:Conflict",
    );
    const { result } = await Sessions.cancel(client, scripted, session, { messageId, response: "stopped" }, preview);
    assert.equal(result.agentMarkdownResponse, "stopped");
    assert.equal(result.interruptedOutput, true);
    await refused(
      Sessions.cancel(client, scripted, session, { messageId }, preview),
      400,
      "CancelSessionFailedMessageNotInProgress",
      { agentRid: scripted, sessionRid: session, messageId },
    );
    await Sessions.blockingContinue(client, scripted, session, text("three words"), preview);
    await chunks.return();
    assert.deepEqual(await said(scripted, session), [["hang", "stopped"], ["three words", "one two three"]]);
  });

  test("a cancel without a response drops the exchange", async () => {
    const messageId = randomUUID();
    const request = { ...text("hang"), messageId };
    const response = await Sessions.streamingContinue(client, scripted, session, request, preview);
    const chunks = chunksOf(response);
    await chunks.next();
    assert.deepEqual(await Sessions.cancel(client, scripted, session, { messageId }, preview), {});
    await chunks.return();
    assert.deepEqual(await said(scripted, session), []);
  });

  test("a failure in the middle terminates the stream and stores nothing", async () => {
    const response = await Sessions.streamingContinue(client, scripted, session, text("break"), preview);
    await assert.rejects(async () => {
      for await (const _ of chunksOf(response));
    }, { name: "TypeError", message: "terminated" });
    assert.deepEqual(await said(scripted, session), []);
  });

  test("what is checked before a stream is an ordinary error", async () => {
    await refused(
      Sessions.streamingContinue(client, scripted, NO_SESSION, text("x"), preview),
      404,
      "SessionNotFound",
    );
    await refused(
      Sessions.streamingContinue(
        client,
        scripted,
        session,
        { userInput: { text: "x" }, parameterInputs: { nope: { type: "string", value: "x" } } },
        preview,
      ),
      400,
      "InvalidParameter",
      { agentRid: scripted, sessionRid: session, parameter: "nope" },
    );
  });

  test("a trace is read while its exchange runs and afterwards", async () => {
    const [messageId, sessionTraceId] = [randomUUID(), randomUUID()];
    const trace = () => SessionTraces.get(client, scripted, session, sessionTraceId, preview);
    await refused(trace(), 404, "SessionTraceNotFound", { agentRid: scripted, sessionRid: session, sessionTraceId });
    const request = { ...text("slow tool"), messageId, sessionTraceId };
    const stream = Sessions.streamingContinue(client, scripted, session, request, preview);
    const running = await until(async () => {
      const seen = await trace().catch(() => undefined);
      return seen?.toolCallGroups.length && seen;
    }, "the tool call stands in the trace");
    assert.equal(running.status, "IN_PROGRESS");
    assert.equal(running.toolCallGroups[0].toolCalls[0].output, undefined);
    await Sessions.cancel(client, scripted, session, { messageId }, preview);
    assert.equal((await trace()).status, "COMPLETE");
    await (await stream).body.cancel();
    const done = await Sessions.blockingContinue(client, scripted, session, text("tools"), preview);
    const { toolCallGroups } = await SessionTraces.get(client, scripted, session, done.sessionTraceId, preview);
    assert.deepEqual(toolCallGroups[0].toolCalls[0], {
      toolMetadata: { name: "pump lookup", type: "FUNCTION" },
      input: {
        thought: "need the list",
        inputs: { site: { type: "string", value: "North" }, limit: { type: "string", value: "5" } },
      },
      output: { type: "success", output: { type: "string", value: "P1,P7" } },
    });
  });

  test("contexts are looked up without touching the session", async () => {
    const seen = await Sessions.get(client, scripted, session, preview);
    const found = await Sessions.ragContext(client, scripted, session, text("look up"), preview);
    assert.equal(found.objectContexts.length, 1);
    assert.equal(found.functionRetrievedContexts[0].retrievedPrompt, "Pumps are blue.");
    assert.deepEqual(await Sessions.ragContext(client, scripted, session, text("three words"), preview), {
      objectContexts: [],
      functionRetrievedContexts: [],
    });
    assert.deepEqual(await Sessions.get(client, scripted, session, preview), seen);
  });
});
