/** `@osdk/oauth` 1.13.0: an application for itself, and a user in a browser through one. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createPlatformClient } from "@osdk/client";
import { Agents, Sessions } from "@osdk/foundry.aipagents";
import { createConfidentialOauthClient } from "@osdk/oauth";

import { agentOf, base, oauth, preview, refused } from "./harness.mjs";

const echo = agentOf("echo");
const scopes = ["api:aip-agents-read", "api:aip-agents-write"];
const text = (value) => ({ userInput: { text: value }, parameterInputs: {} });

describe("createConfidentialOauthClient", () => {
  const { client_id: id, client_secret: secret } = oauth;

  test("an application signs in, talks and signs out", async () => {
    const auth = createConfidentialOauthClient(id, secret, base, scopes);
    const client = createPlatformClient(base, auth);
    const session = (await Sessions.create(client, echo, {}, preview)).rid;
    const result = await Sessions.blockingContinue(client, echo, session, text("hello"), preview);
    assert.equal(result.agentMarkdownResponse, "hello");
    const token = auth.getTokenOrUndefined();
    await auth.signOut();
    const late = createPlatformClient(base, async () => token);
    await refused(Agents.get(late, echo, preview), 401, "Default:Unauthorized");
  });

  test("the list of scopes that it asks for by itself is granted, and is not enough", async () => {
    const auth = createConfidentialOauthClient(id, secret, base);
    const client = createPlatformClient(base, auth);
    await refused(Agents.get(client, echo, preview), 403, "ApiUsageDenied", { missingScope: "api:aip-agents-read" });
  });

  test("a scope that is missing is named", async () => {
    const auth = createConfidentialOauthClient(id, secret, base, ["api:aip-agents-read"]);
    const client = createPlatformClient(base, auth);
    assert.equal((await Agents.get(client, echo, preview)).rid, echo);
    const create = Sessions.create(client, echo, {}, preview);
    await refused(create, 403, "ApiUsageDenied", { missingScope: "api:aip-agents-write" });
    await refused(Agents.allSessions(client, preview), 403, "GetAllSessionsAgentsPermissionDenied", {});
  });

  test("a wrong secret is said in the standard's word", async () => {
    const auth = createConfidentialOauthClient(id, "wrong", base, scopes);
    await assert.rejects(auth.signIn(), /Failed to get token: invalid_client/);
  });
});

describe("createPublicOauthClient", () => {
  /** As much of a browser as the SDK's browser build needs. */
  class Store {
    #items = new Map();
    getItem = (key) => this.#items.get(key) ?? null;
    setItem = (key, value) => this.#items.set(key, String(value));
    removeItem = (key) => this.#items.delete(key);
  }

  function openBrowser(address) {
    const sent = Promise.withResolvers?.() ?? deferred();
    globalThis.window = {
      location: Object.assign(new URL(address), { assign: (to) => sent.resolve(to) }),
      history: { replaceState() {} },
    };
    return sent.promise;
  }

  function deferred() {
    const made = {};
    made.promise = new Promise((resolve) => Object.assign(made, { resolve }));
    return made;
  }

  test("a user signs in by code and PKCE, talks, refreshes and signs out", async (t) => {
    globalThis.localStorage = new Store();
    globalThis.sessionStorage = new Store();
    t.after(() => ["window", "localStorage", "sessionStorage"].forEach((name) => delete globalThis[name]));
    const { createPublicOauthClient } = await import("./node_modules/@osdk/oauth/build/browser/index.js");
    const make = () => createPublicOauthClient(oauth.public_client_id, base, oauth.redirect_uri, { scopes });

    const sentTo = openBrowser(oauth.redirect_uri);
    const leaving = make().signIn().catch((error) => error);
    const back = await fetch(await sentTo, { redirect: "manual" });
    assert.ok([302, 303].includes(back.status), `status ${back.status}`);
    assert.match((await leaving).message, /redirect/);

    openBrowser(back.headers.get("location"));
    const auth = make();
    const client = createPlatformClient(base, auth);
    const session = (await Sessions.create(client, echo, {}, preview)).rid;
    assert.equal((await Agents.allSessions(client, preview)).data[0].rid, session);

    const first = auth.getTokenOrUndefined();
    await auth.refresh();
    const second = auth.getTokenOrUndefined();
    assert.notEqual(second, first);
    assert.equal((await Sessions.get(client, echo, session, preview)).rid, session);

    await auth.signOut();
    const late = createPlatformClient(base, async () => second);
    await refused(Agents.get(late, echo, preview), 401, "Default:Unauthorized");
  });
});
