"""Agent.get."""

import pytest
from foundry_sdk import BadRequestError, Config, FoundryClient, UserTokenAuth
from foundry_sdk.v2.aip_agents.errors import (
    AgentNotFound,
    AgentVersionNotFound,
    InvalidAgentVersion,
    NoPublishedAgentVersion,
)
from sederunt import SCHEME
from talk import NO_AGENT


def test_the_demo_agents_are_read_in_full(server, agents):
    for known in server.ready["agents"]:
        agent = agents.get(known["rid"])
        assert agent.rid == known["rid"]
        assert agent.version == known["versions"][-1]
        assert agent.metadata.display_name == known["name"]
        assert isinstance(agent.metadata.suggested_prompts, list)
        assert isinstance(agent.parameters, dict)


def test_a_client_of_the_documented_form_works(server, echo):
    client = FoundryClient(
        auth=UserTokenAuth(server.token("alice")), hostname=server.host, config=Config(scheme=SCHEME)
    )
    assert client.aip_agents.Agent.get(echo, preview=True).rid == echo
    with pytest.raises(BadRequestError) as refused:
        client.aip_agents.Agent.get(echo)
    assert refused.value.name == "ApiFeaturePreviewUsageOnly"
    assert refused.value.parameters == {}
    assert refused.value.error_code == "INVALID_ARGUMENT"


def test_metadata_and_parameters_are_as_defined(agents, pumps):
    agent = agents.get(pumps)
    assert agent.metadata.display_name == "Pump expert"
    assert agent.metadata.description == "Knows pumps"
    assert agent.metadata.input_placeholder == "Ask about a pump"
    assert agent.metadata.suggested_prompts == ["Which pumps are due?"]
    site, last, due = (agent.parameters[name] for name in ("site", "lastSite", "due"))
    assert (site.access, site.parameter_type.type, site.parameter_type.default_value) == ("READ_ONLY", "string", "North")
    assert site.description == "Where the pump stands"
    assert (last.access, last.parameter_type.type, last.parameter_type.default_value) == ("READ_WRITE", "string", None)
    assert (due.access, due.parameter_type.type, due.parameter_type.expected_object_types) == (
        "READ_WRITE",
        "objectSet",
        ["Pump"],
    )


def test_the_latest_published_version_is_the_default_and_any_other_can_be_named(agents, versions):
    assert agents.get(versions.rid).version == versions.published
    for label in versions.labels:
        assert agents.get(versions.rid, version=label).version == label


@pytest.mark.parametrize("label", ["x", "1", "1.", "01.0", "1.00", "v1.0", "1.0.0", "-1.0"])
def test_a_malformed_version_is_refused(agents, echo, label):
    with pytest.raises(InvalidAgentVersion) as refused:
        agents.get(echo, version=label)
    assert refused.value.parameters == {"agentRid": echo, "version": label}


def test_a_missing_version_is_not_found(agents, echo):
    with pytest.raises(AgentVersionNotFound) as refused:
        agents.get(echo, version="9.9")
    assert refused.value.parameters == {"agentRid": echo, "agentVersionString": "9.9"}


def test_an_agent_never_published_has_no_default_version(agents, draft):
    with pytest.raises(NoPublishedAgentVersion) as refused:
        agents.get(draft)
    assert refused.value.parameters == {"agentRid": draft}


def test_an_unknown_agent_is_not_found(agents):
    with pytest.raises(AgentNotFound) as refused:
        agents.get(NO_AGENT)
    assert refused.value.parameters == {"agentRid": NO_AGENT}
