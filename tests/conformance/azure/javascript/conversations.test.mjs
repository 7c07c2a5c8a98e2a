/** Conversations and their items, and responses that are part of one. */

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { all, declined, newAgent, openaiOf, project } from "./harness.mjs";

const message = (text) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] });
const texts = (items) => items.map((item) => item.content[0].text);
let agent;
let client;

before(async () => {
  agent = await newAgent();
  client = openaiOf(agent);
});

test("a conversation is made, found, changed and deleted", async () => {
  const { conversations } = client;
  const made = await conversations.create({ metadata: { topic: "pumps" } });
  assert.match(made.id, /^conv_[0-9a-f]{16}00[A-Za-z0-9]{32}$/);
  assert.deepEqual([made.object, made.metadata], ["conversation", { topic: "pumps" }]);
  assert.deepEqual((await conversations.retrieve(made.id)).metadata, { topic: "pumps" });
  const changed = await conversations.update(made.id, { metadata: { topic: "valves" } });
  assert.deepEqual(changed.metadata, { topic: "valves" });
  const gone = await conversations.delete(made.id);
  assert.deepEqual([gone.id, gone.object, gone.deleted], [made.id, "conversation.deleted", true]);
  await declined(conversations.retrieve(made.id), 404, "not_found");
});

test("items are added, found, paged and deleted", async () => {
  const { conversations } = client;
  const { id } = await conversations.create({ items: [message("one")] });
  const added = await conversations.items.create(id, { items: [message("two"), message("three")] });
  assert.deepEqual(texts(added.data), ["two", "three"]);
  const listed = async (query) => all(conversations.items.list(id, query));
  assert.deepEqual(texts(await listed({ limit: 2 })), ["three", "two", "one"]);
  assert.deepEqual(texts(await listed({ limit: 1, order: "asc" })), ["one", "two", "three"]);
  const [first] = await listed({ order: "asc" });
  const found = await conversations.items.retrieve(first.id, { conversation_id: id });
  assert.deepEqual([found.id, found.status], [first.id, "completed"]);
  const rest = await conversations.items.delete(first.id, { conversation_id: id });
  assert.deepEqual([rest.id, rest.object], [id, "conversation"]);
  assert.deepEqual(texts(await listed({ order: "asc" })), ["two", "three"]);
  await declined(conversations.items.retrieve(first.id, { conversation_id: id }), 404, "not_found");
});

describe("a response in a conversation", () => {
  test("adds what was said by both", async () => {
    const { id } = await client.conversations.create({ items: [message("hello")] });
    const first = await client.responses.create({ input: "three words", conversation: id });
    assert.equal(first.conversation.id, id);
    const second = await client.responses.create({ input: "what did I say?", conversation: { id } });
    assert.equal(second.agent_session_id, first.agent_session_id);
    const said = texts(await all(client.conversations.items.list(id, { order: "asc" })));
    assert.deepEqual(said.slice(0, 4), ["hello", "three words", "one two three", "what did I say?"]);
  });

  test("that fails leaves it as it was, and the next one works", async () => {
    const { id } = await client.conversations.create();
    await declined(client.responses.create({ input: "break", conversation: id }), 500, "model_stream_broken");
    assert.deepEqual(await all(client.conversations.items.list(id)), []);
    const next = await client.responses.create({ input: "three words", conversation: id });
    assert.equal(next.output_text, "one two three");
  });

  test("is refused where there is no such conversation", async () => {
    const elsewhere = client.responses.create({ input: "hello", conversation: "conv_nobody" });
    await declined(elsewhere, 404, "not_found");
  });
});

test("one store serves the endpoint and the project", async () => {
  const { id } = await client.conversations.create({ items: [message("hello")] });
  const below = project.getOpenAIClient();
  assert.equal((await below.conversations.retrieve(id)).id, id);
  assert.deepEqual(texts(await all(below.conversations.items.list(id))), ["hello"]);
});

test("responses and conversations are listed, by page and by filter", async () => {
  const own = await newAgent();
  const mine = openaiOf(own);
  const { id } = await mine.conversations.create();
  const made = [];
  for (const input of ["one", "two", "three"]) made.push(await mine.responses.create({ input, conversation: id }));
  const newest = made.map((response) => response.id).toReversed();
  const page = await mine.get("/responses", { query: { limit: 2 } });
  assert.deepEqual(page.data.map((response) => response.id), newest.slice(0, 2));
  assert.deepEqual([page.has_more, page.last_id], [true, newest[1]]);
  const rest = await mine.get("/responses", { query: { limit: 2, after: page.last_id } });
  assert.deepEqual([rest.data.map((response) => response.id), rest.has_more], [[newest[2]], false]);
  const below = project.getOpenAIClient();
  const ofProject = await below.get("/responses", { query: { agent_name: own, conversation_id: id } });
  assert.deepEqual(ofProject.data.map((response) => response.id), newest);
  const conversations = await below.get("/conversations", { query: { agent_name: own } });
  assert.deepEqual(conversations.data.map((conversation) => conversation.id), [id]);
});
