"""The preview releases: agents and versions."""

import pytest
from azure.ai.projects import VERSION
from azure.ai.projects.models import (
    ContainerConfiguration,
    HostedAgentDefinition,
    PromptAgentDefinition,
    ProtocolVersionRecord,
)
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

since_2_2 = pytest.mark.skipif(VERSION.startswith("2.1."), reason="came with 2.2.0")


def hosted(image: str = "example/one:1") -> HostedAgentDefinition:
    return HostedAgentDefinition(
        cpu="0.5",
        memory="1Gi",
        container_configuration=ContainerConfiguration(image=image),
        protocol_versions=[ProtocolVersionRecord(protocol="responses", version="1.0.0")],
    )


def test_versions_are_made_read_listed_and_deleted(versions, name):
    first = versions.create_version(name, definition=hosted(), metadata={"a": "1"})
    assert (first.version, first.metadata, first.definition.container_configuration.image) == (
        "1",
        {"a": "1"},
        "example/one:1",
    )
    assert versions.create_version(name, definition=hosted(), metadata={"a": "1"}) == first
    assert versions.create_version(name, definition=hosted("example/two:1")).version == "2"
    assert versions.get_version(name, "1") == first
    assert [version.version for version in versions.list_versions(name, limit=1)] == ["2", "1"]
    assert versions.delete_version(name, "1").deleted
    with pytest.raises(ResourceNotFoundError):
        versions.get_version(name, "1")


def test_agents_are_read_listed_and_deleted(versions, name):
    versions.create_version(name, definition=PromptAgentDefinition(model="scripted"))
    assert versions.get(name).versions.latest.version == "1"
    assert name in [agent.name for agent in versions.list(kind="prompt", limit=1)]
    assert versions.delete(name).deleted
    with pytest.raises(ResourceNotFoundError):
        versions.get(name)


@pytest.mark.skipif(not VERSION.startswith("2.1."), reason="only 2.1 sends this form")
def test_the_oldest_form_of_a_hosted_definition_is_taken(versions, agents, name, keyed):
    records = [ProtocolVersionRecord(protocol="responses", version="v1")]
    oldest = HostedAgentDefinition(cpu="1", memory="2Gi", image="example/old:1", container_protocol_versions=records)
    made = versions.create_version(name, definition=oldest)
    assert (made.definition.image, made.definition.container_protocol_versions[0].version) == ("example/old:1", "v1")
    assert agents.create_session(name, {}, **keyed("user-a")).status == "active"


@since_2_2
def test_an_agent_with_sessions_is_deleted_by_force_only(versions, agents, agent, session):
    with pytest.raises(ResourceExistsError):
        versions.delete(agent)
    assert versions.delete(agent, force=True).deleted


def test_details_are_patched(versions, agents, agent):
    rule = {"type": "FixedRatio", "agent_version": "1", "traffic_percentage": 100}
    patched = agents.patch_agent_details(
        agent, {"agent_endpoint": {"version_selector": {"version_selection_rules": [rule]}}}
    )
    assert patched.agent_endpoint.version_selector.version_selection_rules[0].agent_version == "1"
    assert versions.get(agent) == patched
