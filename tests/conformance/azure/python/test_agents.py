"""Agents: what they look like, lists, creation and update over REST, enabling, deletion."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure_wire import raw, refused

PROMPT = {"kind": "prompt", "model": "scripted"}


def names(agents) -> list[str]:
    return [agent.name for agent in agents]


def test_an_agent_has_its_latest_version_and_an_endpoint(agents, agent):
    got = agents.get(agent)
    assert (got.object, got.id, got.name, got.versions.latest.version) == ("agent", agent, agent, "1")
    assert (got.state, got.configuration_state) == ("enabled", "enabled")
    rule = got.agent_endpoint.version_selector.version_selection_rules[0]
    assert (rule.type, rule.agent_version, rule.traffic_percentage) == ("FixedRatio", "@latest", 100)
    assert got.agent_endpoint.protocol_configuration == {"responses": {}}
    assert got.agent_endpoint.authorization_schemes == [{"type": "Entra"}]


def test_the_agents_of_the_start_are_here_too(agents):
    assert agents.get("echo").versions.latest.version == "1"
    assert {"echo", "support"} <= set(names(agents.list(limit=100)))


def test_agents_are_listed_by_kind_newest_first(server, agents, new_agent):
    made = [new_agent(PROMPT) for _ in range(3)]
    assert names(agents.list(kind="prompt"))[:3] == made[::-1]
    assert names(agents.list(kind="prompt", limit=1)) == names(agents.list(kind="prompt"))
    assert not set(made) & set(names(agents.list(kind="hosted", limit=100)))
    assert names(agents.list(kind="prompt", order="asc", before=made[0], limit=100))[-1:] != made[:1]
    listed = raw(server, "GET", f"/agents?kind=prompt&limit=1&after={made[2]}").json
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (made[1], made[1], True)


def test_an_unknown_agent_is_not_found(agents):
    for call in (agents.get, agents.delete, agents.enable, agents.disable):
        with pytest.raises(ResourceNotFoundError) as refusal:
            call("nobody")
        assert refusal.value.error.code == "not_found"


def test_agents_are_created_and_updated_over_rest(server, new_name):
    name = new_name()
    made = raw(
        server, "POST", "/agents", {"name": name, "definition": PROMPT, "description": "A", "metadata": {"a": "1"}}
    )
    assert (made.status, made.json["object"], made.json["name"]) == (200, "agent", name)
    latest = made.json["versions"]["latest"]
    assert (latest["version"], latest["description"], latest["metadata"]) == ("1", "A", {"a": "1"})
    assert raw(server, "POST", "/agents", {"name": name, "definition": PROMPT}).status == 409
    same = {"definition": PROMPT, "description": "A", "metadata": {"a": "1"}}
    assert raw(server, "POST", f"/agents/{name}", same).json["versions"]["latest"]["version"] == "1"
    changed = raw(server, "POST", f"/agents/{name}", same | {"definition": PROMPT | {"instructions": "Be brief."}})
    assert (changed.status, changed.json["versions"]["latest"]["version"]) == (200, "2")
    assert raw(server, "POST", "/agents/nobody", {"definition": PROMPT}).status == 404
    assert raw(server, "POST", "/agents", {"definition": PROMPT}).status == 400


def test_a_disabled_agent_takes_no_new_work_and_shows_what_there_is(agents, at_agent, agent, session):
    for _ in range(2):
        assert agents.disable(agent) is None
    assert (agents.get(agent).state, agents.get(agent).configuration_state) == ("disabled", "disabled")
    with pytest.raises(ResourceExistsError):
        agents.create_session(agent, {})
    with pytest.raises(Exception) as refusal:
        at_agent.responses.create(input="three words")
    assert refusal.value.status_code == 409
    assert agents.get_session(agent, session).agent_session_id == session
    for _ in range(2):
        assert agents.enable(agent) is None
    assert agents.get(agent).state == "enabled"
    assert at_agent.responses.create(input="three words").output_text == "one two three"


def test_a_deleted_agent_is_gone(agents, agent):
    deleted = agents.delete(agent)
    assert (deleted.object, deleted.name, deleted.deleted) == ("agent.deleted", agent, True)
    with pytest.raises(ResourceNotFoundError):
        agents.get(agent)
    assert agent not in names(agents.list(limit=100))


def test_an_agent_with_sessions_is_deleted_by_force_only(agents, agent, session):
    with pytest.raises(ResourceExistsError):
        agents.delete(agent)
    assert agents.get_session(agent, session).status == "active"
    assert agents.delete(agent, force=True).deleted
    with pytest.raises(ResourceNotFoundError):
        agents.get_session(agent, session)


def test_projects_do_not_share_agents(server, agent):
    from wire import send

    other = send(server, "GET", f"/api/projects/elsewhere/agents/{agent}?api-version=v1")
    refused(other, 404, "not_found")


@pytest.mark.parametrize("limit", [0, 101])
def test_a_limit_is_from_1_to_100(agents, limit):
    with pytest.raises(HttpResponseError) as refusal:
        list(agents.list(limit=limit))
    assert (refusal.value.status_code, refusal.value.model.error.param) == (400, "limit")
