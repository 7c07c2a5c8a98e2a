/** Agents and their versions. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { HOSTED, VERSION_1, all, newAgent, newName, newSession, project, refused } from "./harness.mjs";

const { agents } = project;
const PROMPT = { kind: "prompt", model: "any", instructions: "Be kind." };

describe("versions", () => {
  test("createVersion counts what differs", async () => {
    const name = newName();
    const first = await agents.createVersion(name, HOSTED, { metadata: { team: "pumps" }, description: "First" });
    assert.deepEqual(
      [first.object, first.name, first.version, first.id, first.description, first.status],
      ["agent.version", name, "1", `${name}:1`, "First", "active"],
    );
    assert.deepEqual(first.metadata, { team: "pumps" });
    assert.equal(first.definition.container_configuration.image, HOSTED.container_configuration.image);
    assert.ok(Math.abs(first.created_at - Date.now()) < 60_000);
    const same = await agents.createVersion(name, HOSTED, { metadata: { team: "pumps" }, description: "First" });
    assert.equal(same.version, "1");
    assert.equal((await agents.createVersion(name, { ...HOSTED, cpu: "1" })).version, "2");
  });

  test("getVersion finds one", async () => {
    const name = await newAgent(PROMPT);
    const found = await agents.getVersion(name, "1");
    assert.deepEqual([found.version, found.definition.instructions], ["1", "Be kind."]);
    await refused(agents.getVersion(name, "2"), 404, "not_found");
    await refused(agents.getVersion(newName(), "1"), 404, "not_found");
  });

  test("listVersions pages", async () => {
    const name = newName();
    for (let at = 1; at <= 5; at++) await agents.createVersion(name, { ...HOSTED, cpu: `${at}` });
    const versions = async (options) => (await all(agents.listVersions(name, options))).map((each) => each.version);
    assert.deepEqual(await versions({ limit: 2 }), ["5", "4", "3", "2", "1"]);
    assert.deepEqual(await versions({ limit: 2, order: "asc" }), ["1", "2", "3", "4", "5"]);
    assert.deepEqual(await versions({ after: `${name}:2`, order: "asc" }), ["3", "4", "5"]);
  });

  test("drafts are shown to those who ask for them", async () => {
    const name = await newAgent();
    const draft = agents.createVersion(name, { ...HOSTED, cpu: "1" }, { draft: true });
    await refused(draft, 403, "preview_feature_required", "Foundry-Features");
    const allowed = { draft: true, foundryFeatures: "DraftAgents=V1Preview" };
    await agents.createVersion(name, { ...HOSTED, cpu: "1" }, allowed);
    assert.equal((await agents.get(name)).versions.latest.version, "1");
    assert.equal((await all(agents.listVersions(name))).length, 1);
    assert.equal((await all(agents.listVersions(name, { includeDrafts: true }))).length, 2);
  });

  test("deleteVersion takes live sessions only by force", async () => {
    const name = await newAgent();
    await agents.createVersion(name, { ...HOSTED, cpu: "1" });
    const id = await newSession(name);
    await refused(agents.deleteVersion(name, "1"), 409, "conflict");
    const gone = await agents.deleteVersion(name, "1", { force: true });
    assert.deepEqual(
      [gone.object, gone.name, gone.version, gone.deleted],
      ["agent.version.deleted", name, "1", true],
    );
    await refused(agents.getSession(name, id), 404, "not_found");
    await refused(agents.getVersion(name, "1"), 404, "not_found");
  });
});

describe("agents", () => {
  test("create makes one, get finds it, update adds a version", async () => {
    const name = newName();
    const made = await agents.create(name, PROMPT, { description: "Kind" });
    assert.deepEqual([made.object, made.id, made.name, made.state], ["agent", name, name, "enabled"]);
    await refused(agents.create(name, PROMPT), 409, "conflict");
    assert.equal((await agents.get(name)).versions.latest.description, "Kind");
    const updated = await agents.update(name, { ...PROMPT, instructions: "Be brief." });
    const { latest } = updated.versions;
    assert.deepEqual([latest.version, latest.definition.instructions], ["2", "Be brief."]);
    await refused(agents.get(newName()), 404, "not_found");
  });

  test("list filters by kind and pages", async () => {
    const mine = [await newAgent(PROMPT), await newAgent(PROMPT), await newAgent()];
    const listed = async (options) =>
      (await all(agents.list(options))).map((agent) => agent.name).filter((name) => mine.includes(name));
    assert.deepEqual(await listed({ limit: 1 }), mine.toReversed());
    assert.deepEqual(await listed({ kind: "prompt", order: "asc" }), mine.slice(0, 2));
  });

  test("delete takes live sessions only by force", async () => {
    const name = await newAgent();
    await newSession(name);
    await refused(agents.delete(name), 409, "conflict");
    const gone = await agents.delete(name, { force: true });
    assert.deepEqual([gone.object, gone.name, gone.deleted], ["agent.deleted", name, true]);
    await refused(agents.get(name), 404, "not_found");
    await refused(agents.delete(name), 404, "not_found");
  });

  test("updateAgent steers new sessions by its selector", async () => {
    const name = await newAgent();
    await agents.createVersion(name, { ...HOSTED, cpu: "1" });
    const rule = { type: "FixedRatio", agent_version: "1", traffic_percentage: 100 };
    const agentEndpoint = { version_selector: { version_selection_rules: [rule] } };
    const agentCard = { version: "1.0", skills: [{ id: "talk", name: "Talk" }] };
    const patched = await agents.updateAgent(name, { agentEndpoint, agentCard });
    assert.deepEqual(patched.agent_endpoint.version_selector.version_selection_rules, [rule]);
    assert.equal(patched.agent_card.skills[0].id, "talk");
    const removed = await agents.patchAgentObject(name, { agentCard: null });
    assert.equal(removed.agent_card ?? null, null);
    assert.deepEqual(removed.agent_endpoint.version_selector.version_selection_rules, [rule]);
    const response = await project
      .getOpenAIClient({ azureConfig: { agentName: name, allowPreview: true } })
      .responses.create({ input: "three words" });
    const session = await agents.getSession(name, response.agent_session_id);
    assert.deepEqual(session.version_indicator, VERSION_1);
    const halves = { version_selector: { version_selection_rules: [{ ...rule, traffic_percentage: 50 }] } };
    await refused(agents.updateAgent(name, { agentEndpoint: halves }), 400, "invalid_request_error");
  });

  test("disable keeps new sessions out until enable", async () => {
    const name = await newAgent();
    const id = await newSession(name);
    await agents.disable(name);
    await agents.disable(name);
    const disabled = await agents.get(name);
    assert.deepEqual([disabled.state, disabled.configuration_state], ["disabled", "disabled"]);
    await refused(agents.createSession(name, VERSION_1), 409, "conflict");
    assert.equal((await agents.getSession(name, id)).agent_session_id, id);
    await agents.enable(name);
    assert.equal((await agents.get(name)).state, "enabled");
    await newSession(name);
  });

  test("workflow agents need their feature", async () => {
    const workflow = { kind: "workflow", workflow: "kind: workflow\n" };
    await refused(agents.createVersion(newName(), workflow), 403, "preview_feature_required", "Foundry-Features");
    const made = await agents.createVersion(newName(), workflow, { foundryFeatures: "WorkflowAgents=V1Preview" });
    assert.deepEqual([made.definition.kind, made.definition.workflow], [workflow.kind, workflow.workflow]);
  });

  test("code and manifests are refused by name", async () => {
    await refused(agents.createVersion(newName(), "manifest", {}), 501, "not_implemented");
    await refused(agents.create(newName(), "manifest", {}), 501, "not_implemented");
    const zip = { metadata: { definition: HOSTED }, code: new Uint8Array([80, 75]) };
    await refused(agents.downloadAgentCode(await newAgent()), 501, "not_implemented");
    await refused(agents.createVersionFromCode(newName(), "0".repeat(64), zip), 501, "not_implemented");
  });
});
