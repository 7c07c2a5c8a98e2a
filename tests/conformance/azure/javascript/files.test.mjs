/** The files of a session, and its log. */

import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { buffer } from "node:stream/consumers";

import { all, cli, newAgent, newSession, openaiOf, project, refused } from "./harness.mjs";

const { agents } = project;
const bytes = (text) => new TextEncoder().encode(text);
let agent;
let session;

const upload = (path, text) => agents.uploadSessionFile(agent, session, path, bytes(text));
const entries = (options) => all(agents.listSessionFiles(agent, session, options));
const listed = async (options) => (await entries(options)).map((entry) => entry.name);

/** A file's content. */
async function download(path) {
  const { readableStreamBody } = await agents.downloadSessionFile(agent, session, path);
  return buffer(readableStreamBody);
}

before(async () => {
  agent = await newAgent();
});

beforeEach(async () => {
  session = await newSession(agent);
});

describe("files", () => {
  test("come back as they went, also over another", async () => {
    const whole = Uint8Array.from({ length: 300_000 }, (_, at) => at % 251);
    const written = await agents.uploadSessionFile(agent, session, "data/deep/whole.bin", whole);
    assert.deepEqual([written.path, written.bytes_written], ["data/deep/whole.bin", whole.length]);
    assert.deepEqual(new Uint8Array(await download("data/deep/whole.bin")), whole);
    await upload("data/deep/whole.bin", "short");
    assert.equal((await download("/data/deep/whole.bin")).toString(), "short");
  });

  test("are listed by name, a page at a time", async () => {
    for (const name of ["b.txt", "a.txt", "sub/c.txt", "d.txt"]) await upload(name, name);
    assert.deepEqual(await listed(), ["a.txt", "b.txt", "d.txt", "sub"]);
    assert.deepEqual(await listed({ limit: 1, order: "asc" }), ["a.txt", "b.txt", "d.txt", "sub"]);
    assert.deepEqual(await listed({ path: "sub" }), ["c.txt"]);
    const [file, , , folder] = await entries();
    assert.deepEqual([file.size, file.is_directory, folder.is_directory], [5, false, true]);
    assert.ok(Math.abs(file.modified_time - Date.now()) < 60_000 + 121_000);
  });

  test("of an empty session are none", async () => {
    assert.deepEqual(await listed(), []);
  });

  test("are deleted, folders only when asked", async () => {
    await upload("sub/a.txt", "a");
    await refused(agents.deleteSessionFile(agent, session, "sub"), 409, "directory_not_empty");
    await agents.deleteSessionFile(agent, session, "sub/a.txt");
    await upload("sub/b.txt", "b");
    await agents.deleteSessionFile(agent, session, "sub", { recursive: true });
    await refused(agents.deleteSessionFile(agent, session, "sub/b.txt"), 404, "not_found");
    await refused(download("sub/b.txt"), 404, "not_found");
  });

  test("stay in their session", async () => {
    for (const path of ["../a.txt", "sub/../../a.txt", "a\0b"]) {
      await refused(upload(path, "x"), 400, "invalid_request_error", "path");
    }
    await upload("mine.txt", "x");
    session = await newSession(agent);
    await refused(download("mine.txt"), 404, "not_found");
  });

  test("may have 50 MB and no more", async () => {
    const most = 50 * 1024 * 1024;
    const written = await agents.uploadSessionFile(agent, session, "most.bin", new Uint8Array(most));
    assert.equal(written.bytes_written, most);
    const more = agents.uploadSessionFile(agent, session, "more.bin", new Uint8Array(most + 1));
    await refused(more, 413, "file_size_exceeded");
    assert.deepEqual(await listed(), ["most.bin"]);
  });

  test("survive the session's sleep, not its end", async () => {
    await upload("kept.txt", "x");
    await agents.stopSession(agent, session);
    assert.deepEqual(await listed(), ["kept.txt"]);
    await agents.deleteSession(agent, session);
    await refused(listed(), 404, "not_found");
  });
});

describe("the log", () => {
  test("shows what was logged, then follows", async () => {
    const { responses } = openaiOf(agent);
    await responses.create({ input: "three words", agent_session_id: session });
    const { readableStreamBody } = await agents.getSessionLogStream(agent, "1", session);
    const frames = framesOf(readableStreamBody);
    const replayed = (await frames.next()).value;
    assert.equal(replayed.event, "log");
    const line = JSON.parse(replayed.data);
    assert.ok(["stdout", "stderr", "status"].includes(line.stream), replayed.data);
    assert.ok(line.message && !Number.isNaN(Date.parse(line.timestamp)));
    cli("clock", "advance", "2s");
    const second = await responses.create({ input: "three words", agent_session_id: session });
    for (;;) {
      const { value, done } = await frames.next();
      assert.ok(!done, "the log ended");
      if (Date.parse(JSON.parse(value.data).timestamp) >= second.created_at * 1000) break;
    }
    readableStreamBody.destroy();
  });

  test("is that of a session of this version", async () => {
    for (const at of [["1", "no-such-session"], ["7", session]]) {
      await refused(agents.getSessionLogStream(agent, ...at), 404, "not_found");
    }
  });
});

/** The frames of a stream of server-sent events, as they come. */
async function* framesOf(stream) {
  let text = "";
  for await (const chunk of stream) {
    text += chunk;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n").filter((line) => !line.startsWith(":"));
      if (lines.length > 0) yield Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2)));
    }
  }
}
