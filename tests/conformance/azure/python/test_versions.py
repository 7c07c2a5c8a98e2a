"""Agent versions: numbers, equal content, drafts, limits, deletion."""

import io

import pytest
from azure.ai.projects.models import (
    CodeConfiguration,
    ContainerConfiguration,
    ExternalAgentDefinition,
    HostedAgentDefinition,
    PromptAgentDefinition,
    ProtocolVersionRecord,
    VersionRefIndicator,
    WorkflowAgentDefinition,
)
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure_wire import raw, refused


def hosted(image: str = "example/one:1", **more) -> HostedAgentDefinition:
    return HostedAgentDefinition(
        cpu="0.5",
        memory="1Gi",
        container_configuration=ContainerConfiguration(image=image),
        protocol_versions=[ProtocolVersionRecord(protocol="responses", version="2.0.0")],
        **more,
    )


def numbers(versions) -> list[str]:
    return [version.version for version in versions]


def test_versions_are_numbered_from_1(agents, name):
    first = agents.create_version(name, definition=hosted(), description="A", metadata={"team": "pumps"})
    assert (first.object, first.id, first.name, first.version) == ("agent.version", f"{name}:1", name, "1")
    assert (first.status, first.description, first.metadata) == ("active", "A", {"team": "pumps"})
    assert first.definition.container_configuration.image == "example/one:1"
    second = agents.create_version(name, definition=hosted("example/two:1"))
    assert (second.version, second.metadata) == ("2", {})
    assert agents.get_version(name, "1") == first
    assert agents.get_version(name, "2") == second
    assert agents.get(name).versions.latest == second


def test_on_the_wire_a_new_version_is_200_and_its_time_is_whole_seconds(server, name):
    body = {"definition": {"kind": "prompt", "model": "scripted"}}
    made = raw(server, "POST", f"/agents/{name}/versions", body)
    assert (made.status, type(made.json["created_at"])) == (200, int)
    assert {"object", "id", "name", "version", "metadata", "created_at", "definition"} <= set(made.json)


def test_equal_content_is_the_same_version(agents, name):
    said = {"definition": hosted(), "description": "A", "metadata": {"a": "1"}}
    first = agents.create_version(name, **said)
    assert agents.create_version(name, **said) == first
    assert agents.create_version(name, **said | {"metadata": {"a": "2"}}).version == "2"
    assert agents.create_version(name, **said | {"description": "B", "metadata": {"a": "2"}}).version == "3"
    # Only the latest version is compared.
    assert agents.create_version(name, **said).version == "4"


def test_a_definition_comes_back_as_it_went_in(server, agents, name):
    definition = {
        "kind": "hosted",
        "cpu": "1",
        "memory": "2Gi",
        "image": "example/old:1",
        "container_protocol_versions": [{"protocol": "responses", "version": "v1"}],
        "environment_variables": {"LANGUAGE": "de"},
        "of_the_future": {"deep": [1, 2.5, None, "ü"]},
    }
    made = raw(server, "POST", f"/agents/{name}/versions", {"definition": definition})
    assert made.json["definition"] == definition
    assert raw(server, "GET", f"/agents/{name}/versions/1").json == made.json
    assert dict(agents.get_version(name, "1").definition) == definition


def test_every_kind_is_stored(previewing, name):
    definitions = [
        hosted(),
        PromptAgentDefinition(model="scripted", instructions="Be brief.", temperature=0.5),
        WorkflowAgentDefinition(workflow="kind: workflow\n"),
        ExternalAgentDefinition(otel_agent_id="outside"),
        {"kind": "voice", "model": "scripted", "audio": {"voice": "any"}},
    ]
    for number, definition in enumerate(definitions, 1):
        made = previewing.agents.create_version(name, {"definition": definition})
        assert (made.version, made.definition.kind) == (str(number), definition["kind"])
        assert made.definition == definition


@pytest.mark.parametrize("kind", ["workflow", "external", "voice"])
def test_a_preview_must_be_asked_for(server, agents, name, kind):
    with pytest.raises(HttpResponseError) as refusal:
        agents.create_version(name, {"definition": {"kind": kind}})
    assert (refusal.value.status_code, refusal.value.model.error.code) == (403, "preview_feature_required")
    made = raw(server, "POST", f"/agents/{name}/versions", {"definition": {"kind": kind}})
    error = refused(made, 403, "preview_feature_required", "Foundry-Features")
    flag = f"{kind.capitalize()}Agents=V1Preview"
    assert flag in error["message"]
    asked = raw(
        server,
        "POST",
        f"/agents/{name}/versions",
        {"definition": {"kind": kind}},
        headers={"Foundry-Features": f"X=Y , {flag}"},
    )
    assert asked.status == 200


@pytest.mark.parametrize(
    "definition",
    [
        None,
        "hosted",
        {},
        {"kind": "unheard-of"},
        {"kind": "hosted", "memory": "1Gi", "container_configuration": {"image": "x"}},
        {"kind": "prompt"},
    ],
)
def test_a_definition_that_lacks_what_it_needs_is_refused(server, name, definition):
    made = raw(server, "POST", f"/agents/{name}/versions", {"definition": definition})
    assert made.status == 400, made.body
    assert raw(server, "GET", f"/agents/{name}").status == 404


@pytest.mark.parametrize("seconds", [119, 14401])
def test_the_idle_timeout_has_bounds(server, name, seconds):
    definition = dict(hosted()) | {"session_configuration": {"idle_timeout_seconds": seconds}}
    definition["container_configuration"] = {"image": "example/one:1"}
    definition["protocol_versions"] = []
    assert raw(server, "POST", f"/agents/{name}/versions", {"definition": definition}).status == 400


@pytest.mark.parametrize("bad", ["x" * 64, "-begins", "ends-", "under_score", "dot.ted", "bl ank"])
def test_an_agents_name_is_letters_digits_and_hyphens_inside(agents, bad):
    with pytest.raises(HttpResponseError) as refusal:
        agents.create_version(bad, definition=hosted())
    assert (refusal.value.status_code, refusal.value.model.error.code) == (400, "invalid_request_error")


def test_names_and_texts_at_their_limits_are_taken(agents, new_name):
    name = (new_name() + "x" * 63)[:63]
    metadata = {f"{number:02}" + "k" * 62: "v" * 512 for number in range(16)}
    made = agents.create_version(name, definition=hosted(), description="d" * 512, metadata=metadata)
    assert (made.name, made.description, made.metadata) == (name, "d" * 512, metadata)


@pytest.mark.parametrize(
    "more",
    [
        {"description": "d" * 513},
        {"metadata": {f"k{number}": "v" for number in range(17)}},
        {"metadata": {"k" * 65: "v"}},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {"k": 1}},
    ],
)
def test_texts_past_their_limits_are_refused(agents, name, more):
    with pytest.raises(HttpResponseError) as refusal:
        agents.create_version(name, definition=hosted(), **more)
    assert refusal.value.status_code == 400


def test_unknown_versions_are_not_found(agents, agent):
    for name, version in ((agent, "2"), (agent, "x"), ("nobody", "1")):
        with pytest.raises(ResourceNotFoundError) as refusal:
            agents.get_version(name, version)
        assert refusal.value.error.code == "not_found"
        with pytest.raises(ResourceNotFoundError):
            agents.delete_version(name, version)
    with pytest.raises(ResourceNotFoundError):
        list(agents.list_versions("nobody"))


def test_lists_of_versions_end_and_take_both_kinds_of_cursor(server, agents, name):
    for number in range(1, 8):
        agents.create_version(name, definition=hosted(f"example/one:{number}"))
    assert numbers(agents.list_versions(name, limit=3)) == ["7", "6", "5", "4", "3", "2", "1"]
    assert numbers(agents.list_versions(name, limit=3, order="asc")) == ["1", "2", "3", "4", "5", "6", "7"]
    assert numbers(agents.list_versions(name, order="asc", before=f"{name}:3")) == ["1", "2"]
    for cursor in ("5", f"{name}:5"):
        listed = raw(server, "GET", f"/agents/{name}/versions?limit=2&after={cursor}").json
        assert [version["version"] for version in listed["data"]] == ["4", "3"]
        assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (f"{name}:4", f"{name}:3", True)


def test_drafts_are_not_the_latest_and_hidden_unless_asked_for(previewing, name):
    agents = previewing.agents
    agents.create_version(name, definition=hosted("example/one:1"))
    draft = agents.create_version(name, definition=hosted("example/one:2"), draft=True)
    assert (draft.version, draft.draft) == ("2", True)
    assert agents.get(name).versions.latest.version == "1"
    assert agents.get_version(name, "2").draft is True
    assert numbers(agents.list_versions(name)) == ["1"]
    assert numbers(agents.list_versions(name, include_drafts=True)) == ["2", "1"]
    session = agents.create_session(name, {})
    assert session.version_indicator.agent_version == "1"
    session = agents.create_session(name, version_indicator=VersionRefIndicator(agent_version="2"))
    assert session.version_indicator.agent_version == "2"


def test_a_draft_is_a_preview(server, agents, name):
    with pytest.raises(HttpResponseError) as refusal:
        agents.create_version(name, definition=hosted(), draft=True)
    assert (refusal.value.status_code, refusal.value.model.error.code) == (403, "preview_feature_required")


def test_a_deleted_version_is_gone_and_its_number_is_not_used_again(agents, name):
    for number in range(1, 3):
        agents.create_version(name, definition=hosted(f"example/one:{number}"))
    deleted = agents.delete_version(name, "2")
    assert (deleted.object, deleted.name, deleted.version, deleted.deleted) == (
        "agent.version.deleted",
        name,
        "2",
        True,
    )
    with pytest.raises(ResourceNotFoundError):
        agents.get_version(name, "2")
    assert agents.get(name).versions.latest.version == "1"
    assert agents.create_version(name, definition=hosted("example/one:3")).version == "3"


def test_a_version_with_sessions_is_deleted_by_force_only(agents, name):
    agents.create_version(name, definition=hosted("example/one:1"))
    session = agents.create_session(name, {}).agent_session_id
    agents.create_version(name, definition=hosted("example/one:2"))
    other = agents.create_session(name, {}).agent_session_id
    with pytest.raises(ResourceExistsError):
        agents.delete_version(name, "1")
    with pytest.raises(ResourceExistsError):
        agents.delete_version(name, "1", force=False)
    assert agents.get_session(name, session).status == "active"
    assert agents.delete_version(name, "1", force=True).deleted
    with pytest.raises(ResourceNotFoundError):
        agents.get_session(name, session)
    assert agents.get_session(name, other).status == "active"


def test_with_its_last_version_the_agent_goes_too(agents, agent):
    assert agents.delete_version(agent, "1").deleted
    with pytest.raises(ResourceNotFoundError):
        agents.get(agent)


def test_code_and_manifests_are_answered_501(agents, name):
    code = CodeConfiguration(runtime="python_3_11", entry_point=["main.py"], dependency_resolution="bundled")
    definition = HostedAgentDefinition(cpu="1", memory="2Gi", code_configuration=code, protocol_versions=[])
    archive = io.BytesIO(b"PK")
    archive.name = "code.zip"
    calls = [
        lambda: agents.create_version_from_manifest(name, manifest_id="m", parameter_values={}),
        lambda: agents.create_version_from_code(name, definition=definition, code=archive),
        lambda: list(agents.download_code(name)),
    ]
    for call in calls:
        with pytest.raises(HttpResponseError) as refusal:
            call()
        assert (refusal.value.status_code, refusal.value.model.error.code) == (501, "not_implemented")


def test_manifests_of_agents_are_answered_501_too(server, agent):
    for path in ("/agents:import", f"/agents/{agent}/import"):
        refused(raw(server, "POST", path, {"manifest_id": "m", "parameter_values": {}}), 501, "not_implemented")
