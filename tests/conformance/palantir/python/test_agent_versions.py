"""AgentVersion.list and AgentVersion.get."""

import pytest
from foundry_sdk import BadRequestError
from foundry_sdk.v2.aip_agents.errors import AgentNotFound, AgentVersionNotFound, InvalidAgentVersion
from talk import NO_AGENT


def test_versions_are_listed_newest_first_saved_and_published_alike(agents, versions):
    listed = list(agents.AgentVersion.list(versions.rid))
    assert [version.string for version in listed] == versions.labels
    numbers = [(version.version.major, version.version.minor) for version in listed]
    assert numbers == sorted(numbers, reverse=True)
    assert [f"{major}.{minor}" for major, minor in numbers] == versions.labels


def test_versions_come_in_pages(agents, versions):
    walk = agents.AgentVersion.list(versions.rid, page_size=2)
    assert len(walk.data) == 2
    assert walk.next_page_token
    assert [version.string for version in walk] == versions.labels


def test_a_version_is_read_by_its_label(agents, versions):
    for label in versions.labels:
        version = agents.AgentVersion.get(versions.rid, label)
        assert version.string == label == f"{version.version.major}.{version.version.minor}"


@pytest.mark.parametrize("label", ["x", "1", "01.0", "v1.0"])
def test_a_malformed_version_is_refused(agents, echo, label):
    with pytest.raises(InvalidAgentVersion) as refused:
        agents.AgentVersion.get(echo, label)
    assert refused.value.parameters == {"agentRid": echo, "version": label}


def test_a_missing_version_is_not_found(agents, echo):
    with pytest.raises(AgentVersionNotFound) as refused:
        agents.AgentVersion.get(echo, "9.9")
    assert refused.value.parameters == {"agentRid": echo, "agentVersionString": "9.9"}


def test_an_unknown_agent_is_not_found(agents):
    with pytest.raises(AgentNotFound):
        agents.AgentVersion.list(NO_AGENT)
    with pytest.raises(AgentNotFound):
        agents.AgentVersion.get(NO_AGENT, "1.0")


def test_a_page_size_below_one_is_refused(agents, echo):
    for size in (0, -1):
        with pytest.raises(BadRequestError) as refused:
            agents.AgentVersion.list(echo, page_size=size)
        assert refused.value.name == "InvalidPageSize"
        assert refused.value.parameters == {"pageSize": size}
