/** Responses through the client that `getOpenAIClient` makes, below an agent's endpoint and below the project. */

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { all, declined, newAgent, newSession, openaiOf, project, until } from "./harness.mjs";

const NO_RESPONSE = `caresp_${"0".repeat(18)}${"A".repeat(32)}`;
const WEATHER = { type: "function", name: "get_weather", parameters: { type: "object" }, strict: false };
const types = (events) => events.map((event) => event.type.replace("response.", ""));
const words = (count) => [
  "created", "in_progress", "output_item.added", "content_part.added",
  ...Array(count).fill("output_text.delta"),
  "output_text.done", "content_part.done", "output_item.done", "completed",
];
let agent;
let responses;

before(async () => {
  agent = await newAgent();
  ({ responses } = openaiOf(agent));
});

describe("create", () => {
  test("runs in the session that it names, and says so twice", async () => {
    const agent_session_id = await newSession(agent);
    const { data, response } = await responses.create({ input: "three words", agent_session_id }).withResponse();
    assert.equal(data.output_text, "one two three");
    assert.equal(data.status, "completed");
    assert.match(data.id, /^caresp_[0-9a-f]{16}00[A-Za-z0-9]{32}$/);
    assert.equal(data.agent_session_id, agent_session_id);
    assert.equal(response.headers.get("x-agent-session-id"), agent_session_id);
    assert.match(data._request_id, /^[0-9a-f]{32}$/);
    assert.deepEqual([data.usage.input_tokens, data.usage.output_tokens], [7, 3]);
  });

  test("streams every event in order", async () => {
    const events = await all(await responses.create({ input: "three words", stream: true }));
    assert.deepEqual(types(events), words(3));
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    assert.equal(events.at(-1).response.output[0].content[0].text, "one two three");
  });

  test("continues a response in its session, with its history", async () => {
    const first = await responses.create({ input: "hello" });
    const second = await responses.create({ input: "what did I say?", previous_response_id: first.id });
    assert.equal(second.agent_session_id, first.agent_session_id);
    assert.equal(second.previous_response_id, first.id);
    assert.match(second.output_text, /user: hello\n.*You said: hello/);
  });

  test("refuses predecessors that are none", async () => {
    const after = (previous_response_id) => responses.create({ input: "hello", previous_response_id });
    await declined(after("nonsense"), 400, "invalid_parameters", "previous_response_id");
    await declined(after(NO_RESPONSE), 404, "invalid_request_error");
  });

  test("keeps nothing that shall not be stored", async () => {
    const made = await responses.create({ input: "three words", store: false });
    assert.equal(made.output_text, "one two three");
    await declined(responses.retrieve(made.id), 404, "invalid_request_error", "response_id");
  });

  test("names what is wrong", async () => {
    await declined(responses.create({ input: 5 }), 400, "invalid_request");
    const unstored = responses.create({ input: "x", background: true, store: false });
    await declined(unstored, 400, "unsupported_parameter", "background");
    await declined(responses.create({ input: "x", stream_options: {} }), 400, "invalid_mode", "stream");
    const misnamed = responses.create({ input: "x", agent_session_id: "a b" });
    await declined(misnamed, 400, "invalid_request_error", "agent_session_id");
  });
});

describe("stream", () => {
  test("ends well for text", async () => {
    const stream = responses.stream({ input: "three words" });
    const seen = types(await all(stream));
    assert.deepEqual(seen, words(3));
    assert.equal((await stream.finalResponse()).output_text, "one two three");
  });

  test("ends well for a function call, whose output is then answered", async () => {
    const stream = responses.stream({ input: "weather in Paris", tools: [WEATHER] });
    assert.deepEqual(types(await all(stream)), [
      "created", "in_progress", "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
      "output_item.done", "completed",
    ]);
    const called = await stream.finalResponse();
    const [call] = called.output;
    assert.deepEqual([call.type, call.name], ["function_call", "get_weather"]);
    assert.deepEqual(JSON.parse(call.arguments), { city: "Paris" });
    const output = { type: "function_call_output", call_id: call.call_id, output: "sunny" };
    const answered = await responses.create({ input: [output], previous_response_id: called.id, tools: [WEATHER] });
    assert.equal(answered.output_text, "It is sunny.");
  });
});

describe("parse", () => {
  const format = {
    type: "json_schema",
    name: "weather",
    strict: true,
    schema: {
      type: "object",
      properties: { city: { type: "string" }, degrees: { type: "number" } },
      required: ["city", "degrees"],
      additionalProperties: false,
    },
  };

  test("gives what fits the schema, also at the second attempt", async () => {
    for (const input of ["json", "json the second time"]) {
      const parsed = await responses.parse({ input, text: { format } });
      assert.deepEqual(JSON.parse(parsed.output_text), { city: "Paris", degrees: 21 });
    }
  });

  test("fails by name where nothing fits", async () => {
    const failed = responses.create({ input: "never of the form", text: { format } });
    await declined(failed, 500, "invalid_structured_output");
  });
});

describe("background", () => {
  test("a response ends by itself and can be looked at", async () => {
    const made = await responses.create({ input: "slow", background: true });
    assert.ok(["queued", "in_progress"].includes(made.status), made.status);
    const ended = await until(async () => {
      const found = await responses.retrieve(made.id);
      return found.status === "completed" && found;
    }, "the end of the response");
    assert.equal(ended.output_text, "one two three four five six seven eight");
  });

  test("cancel empties it, twice; what is terminal stays", async () => {
    const made = await responses.create({ input: "hang", background: true });
    for (const cancelled of [await responses.cancel(made.id), await responses.cancel(made.id)]) {
      assert.deepEqual([cancelled.status, cancelled.output], ["cancelled", []]);
    }
    assert.equal((await responses.retrieve(made.id)).status, "cancelled");
    const foreground = await responses.create({ input: "three words" });
    await declined(responses.cancel(foreground.id), 400, "invalid_request_error", "response_id");
  });

  test("retrieve replays later events and follows", async () => {
    const stream = await responses.create({ input: "slow", background: true, stream: true });
    let id;
    for await (const event of stream) {
      id ??= event.response?.id;
      if (event.type === "response.output_text.delta") break;
    }
    const rest = await all(await responses.retrieve(id, { stream: true, starting_after: 4 }));
    assert.deepEqual(rest.map((event) => event.sequence_number), Array.from({ length: 11 }, (_, at) => at + 5));
    assert.deepEqual(types(rest), words(8).slice(5));
    const again = await all(await responses.retrieve(id, { stream: true }));
    assert.deepEqual(types(again), words(8));
  });
});

test("retrieve finds what was made", async () => {
  const made = await responses.create({ input: "three words", metadata: { colour: "blue" } });
  const found = await responses.retrieve(made.id);
  assert.deepEqual([found.id, found.output_text, found.metadata], [made.id, "one two three", { colour: "blue" }]);
  await declined(responses.retrieve(NO_RESPONSE), 404, "invalid_request_error", "response_id");
  await declined(responses.retrieve("nonsense"), 400, "invalid_parameters", "responseId{nonsense}");
});

test("delete removes a response", async () => {
  const made = await responses.create({ input: "three words" });
  await responses.delete(made.id);
  await declined(responses.retrieve(made.id), 404, "invalid_request_error", "response_id");
  await declined(responses.delete(made.id), 404, "invalid_request_error", "response_id");
});

test("inputItems are paged", async () => {
  const input = ["one", "two", "three"].map((text) => ({ role: "user", content: text }));
  const made = await responses.create({ input });
  const texts = async (query) => {
    const items = await all(responses.inputItems.list(made.id, query));
    return items.map((item) => item.content[0].text);
  };
  assert.deepEqual(await texts({ limit: 1 }), ["three", "two", "one"]);
  assert.deepEqual(await texts({ limit: 2, order: "asc" }), ["one", "two", "three"]);
  await declined(responses.inputItems.list(made.id, { limit: 101 }), 400, "invalid_request_error", "limit");
});

test("below the project, the agent is named in the request", async () => {
  const client = project.getOpenAIClient();
  const agent_reference = { type: "agent_reference", name: agent };
  const made = await client.responses.create({ input: "three words", agent_reference });
  assert.equal(made.output_text, "one two three");
  assert.equal(made.agent_reference.name, agent);
  assert.equal((await client.responses.retrieve(made.id)).output_text, "one two three");
  const unnamed = { type: "agent_reference", name: "nobody-knows-this-one" };
  await declined(client.responses.create({ input: "three words", agent_reference: unnamed }), 404, "not_found");
});

test("a prompt agent has no session", async () => {
  const prompt = await newAgent({ kind: "prompt", model: "any" });
  const { data, response } = await openaiOf(prompt).responses.create({ input: "three words" }).withResponse();
  assert.equal(data.output_text, "one two three");
  assert.equal(data.agent_session_id, undefined);
  assert.equal(response.headers.get("x-agent-session-id"), null);
});
