"""The endpoint of an agent: its configuration by merge-patch, and which version serves a new session."""

import pytest
from azure.ai.projects.models import (
    AgentCard,
    AgentCardSkill,
    AgentEndpointConfig,
    FixedRatioVersionSelectionRule,
    VersionSelector,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure_wire import raw


def rules(*shares: tuple[str, int]) -> AgentEndpointConfig:
    made = [FixedRatioVersionSelectionRule(agent_version=name, traffic_percentage=share) for name, share in shares]
    return AgentEndpointConfig(version_selector=VersionSelector(version_selection_rules=made))


@pytest.fixture
def two_versions(server, agent) -> str:
    """An agent with the versions 1 and 2."""
    definition = raw(server, "GET", f"/agents/{agent}/versions/1").json["definition"] | {"memory": "2Gi"}
    assert raw(server, "POST", f"/agents/{agent}/versions", {"definition": definition}).json["version"] == "2"
    return agent


def versions_of_new_sessions(agents, agent, count: int) -> list[str]:
    return [agents.create_session(agent, {}).version_indicator.agent_version for _ in range(count)]


def test_new_sessions_get_the_latest_version_unless_told_otherwise(agents, two_versions):
    assert set(versions_of_new_sessions(agents, two_versions, 3)) == {"2"}
    agents.update_details(two_versions, agent_endpoint=rules(("1", 100)))
    assert set(versions_of_new_sessions(agents, two_versions, 3)) == {"1"}
    agents.update_details(two_versions, agent_endpoint=rules(("1", 0), ("@latest", 100)))
    assert set(versions_of_new_sessions(agents, two_versions, 3)) == {"2"}


def test_a_ratio_spreads_new_sessions(agents, two_versions):
    agents.update_details(two_versions, agent_endpoint=rules(("1", 50), ("2", 50)))
    # That all of 40 went one way would be a chance of one in 5 × 10¹¹.
    assert set(versions_of_new_sessions(agents, two_versions, 40)) == {"1", "2"}


def test_a_session_stays_with_its_version(agents, at_agent, two_versions):
    session = agents.create_session(two_versions, {}).agent_session_id
    agents.update_details(two_versions, agent_endpoint=rules(("1", 100)))
    said = at_agent.responses.create(input="three words", extra_body={"agent_session_id": session})
    assert said.agent_reference["version"] == "2"
    assert agents.get_session(two_versions, session).version_indicator.agent_version == "2"


@pytest.mark.parametrize(
    "shares", [(("1", 60),), (("1", 60), ("2", 60)), (("9", 100),), (("1", 101),), (("1", -1), ("2", 101))]
)
def test_shares_must_add_up_to_100_over_versions_that_exist(agents, two_versions, shares):
    before = agents.get(two_versions)
    with pytest.raises(HttpResponseError) as refusal:
        agents.update_details(two_versions, agent_endpoint=rules(*shares))
    assert refusal.value.status_code in (400, 404)
    assert agents.get(two_versions) == before


@pytest.mark.parametrize(
    "endpoint",
    [
        {"version_selector": {"version_selection_rules": [{"type": "Sticky"}]}},
        {"authorization_schemes": [{"type": "None"}]},
    ],
)
def test_an_unknown_kind_of_rule_or_scheme_is_refused(agents, two_versions, endpoint):
    with pytest.raises(HttpResponseError) as refusal:
        agents.update_details(two_versions, {"agent_endpoint": endpoint})
    assert refusal.value.status_code == 400


def test_a_patch_changes_what_it_names(agents, agent):
    skill = AgentCardSkill(id="pumps", name="Pumps", tags=["water"])
    card = AgentCard(version="1.0", description="Knows pumps", skills=[skill])
    patched = agents.update_details(agent, agent_card=card)
    assert patched.agent_card == card
    assert agents.get(agent) == patched
    agents.update_details(agent, {"agent_endpoint": {"protocol_configuration": {"invocations": {}}}})
    both = agents.get(agent)
    assert both.agent_card == card
    assert both.agent_endpoint.protocol_configuration == {"responses": {}, "invocations": {}}
    assert both.agent_endpoint.version_selector == patched.agent_endpoint.version_selector
    gone = agents.update_details(
        agent, {"agent_card": None, "agent_endpoint": {"protocol_configuration": {"invocations": None}}}
    )
    assert gone.agent_card is None
    assert gone.agent_endpoint.protocol_configuration == {"responses": {}}


@pytest.mark.parametrize(
    "card",
    [
        {"version": "", "skills": [{"id": "a", "name": "A"}]},
        {"version": "1", "skills": []},
        {"version": "1", "skills": [{"id": "a" * 65, "name": "A"}]},
        {"version": "1", "skills": [{"id": "a", "name": "A", "tags": ["x"] * 6}]},
    ],
)
def test_a_card_has_limits(agents, agent, card):
    with pytest.raises(HttpResponseError) as refusal:
        agents.update_details(agent, {"agent_card": card})
    assert refusal.value.status_code == 400


def test_a_patch_of_an_unknown_agent_is_not_found(agents):
    with pytest.raises(ResourceNotFoundError):
        agents.update_details("nobody", {"agent_card": None})
