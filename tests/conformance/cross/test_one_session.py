"""One session, every API: what one vendor's SDK makes, the others continue, see and end."""

import json
from datetime import datetime

import pytest
from azure.core.exceptions import ResourceNotFoundError
from foundry_sdk.v2.aip_agents.errors import SessionNotFound
from sederunt import Server

DEFINITION = {
    "kind": "hosted",
    "cpu": "0.5",
    "memory": "1Gi",
    "container_configuration": {"image": "example/clerk:1"},
}
KEY = "one-session-in-all"


def rid_of(server: Server, key: str) -> str:
    """The RID by which the other API knows an agent, as `sederunt agent show` prints it."""
    return json.loads(server.cli("agent", "show", key, "--json"))["rid"]


def continued(palantir, agent: str, session: str, text: str) -> str:
    answer = palantir.Session.blocking_continue(agent, session, user_input={"text": text}, parameter_inputs={})
    return answer.agent_markdown_response


def exchanges(palantir, agent: str, session: str) -> list[str]:
    content = palantir.Session.Content.get(agent, session)
    return [exchange.user_input.text for exchange in content.exchanges]


def responses(openai, agent: str) -> list[dict]:
    """The agent's responses by the list that the vendor adds, oldest first."""
    found = openai(agent).get("/responses", cast_to=object, options={"params": {"order": "asc", "agent_name": agent}})
    return found["data"]


def test_a_session_made_over_azure_goes_on_over_palantir(server: Server, project, openai, palantir):
    version = project.agents.create_version("clerk", definition=DEFINITION)
    made = project.agents.create_session(
        "clerk",
        version_indicator={"type": "version_ref", "agent_version": version.version},
        agent_session_id=KEY,
    )
    said = openai("clerk").responses.create(input="Who sits today?", extra_body={"agent_session_id": KEY})
    assert "Who sits today?" in said.output_text

    agent = rid_of(server, "clerk")
    (seen,) = list(palantir.Session.list(agent))
    assert seen.metadata.title == "Who sits today?"
    assert seen.metadata.message_count == 2
    assert "And tomorrow?" in continued(palantir, agent, seen.rid, "And tomorrow?")

    assert exchanges(palantir, agent, seen.rid) == ["Who sits today?", "And tomorrow?"]
    found = responses(openai, "clerk")
    assert [response["agent_session_id"] for response in found] == [KEY, KEY]
    assert found[0]["id"] == said.id

    # One expiry: the exchange over Palantir renewed the 30 days that Azure gave it.
    after = project.agents.get_session("clerk", KEY)
    assert after.expires_at > made.expires_at or after.last_accessed_at >= made.last_accessed_at
    expires = datetime.fromisoformat(str(palantir.Session.get(agent, seen.rid).metadata.estimated_expires_time))
    assert int(expires.timestamp()) == int(after.expires_at.timestamp())

    project.agents.delete_session("clerk", KEY)
    with pytest.raises(SessionNotFound):
        palantir.Session.get(agent, seen.rid)


def test_a_title_given_over_palantir_is_the_session_s_only_one(server: Server, project, openai, palantir):
    project.agents.create_version("clerk", definition=DEFINITION)
    openai("clerk").responses.create(input="First words", extra_body={"agent_session_id": KEY})
    agent = rid_of(server, "clerk")
    (seen,) = list(palantir.Session.list(agent))
    palantir.Session.update_title(agent, seen.rid, title="The sitting of Monday")
    openai("clerk").responses.create(input="Other words", extra_body={"agent_session_id": KEY})
    (seen,) = list(palantir.Session.list(agent))
    assert seen.metadata.title == "The sitting of Monday"
    assert seen.metadata.message_count == 4


def test_a_session_made_over_palantir_goes_on_over_azure(server: Server, project, openai, palantir):
    agent = server.agent("echo")
    session = palantir.Session.create(agent)
    assert continued(palantir, agent, session.rid, "Made over there") == "Made over there"

    (before,) = responses(openai, "echo")
    assert before["output"][0]["content"][0]["text"] == "Made over there"
    after = openai("echo").responses.create(input="Gone on here", previous_response_id=before["id"])
    assert after.output_text == "Gone on here"
    assert after.agent_session_id == before["agent_session_id"]

    assert exchanges(palantir, agent, session.rid) == ["Made over there", "Gone on here"]
    assert project.agents.get_session("echo", after.agent_session_id).status == "active"

    palantir.Session.delete(agent, session.rid)
    with pytest.raises(ResourceNotFoundError):
        project.agents.get_session("echo", after.agent_session_id)


def test_a_session_that_expired_is_gone_from_one_and_expired_in_the_other(server: Server, project, openai, palantir):
    project.agents.create_version("clerk", definition=DEFINITION)
    openai("clerk").responses.create(input="Once", extra_body={"agent_session_id": KEY})
    agent = rid_of(server, "clerk")
    (seen,) = list(palantir.Session.list(agent))
    server.advance("31d")
    assert project.agents.get_session("clerk", KEY).status == "expired"
    with pytest.raises(SessionNotFound):
        palantir.Session.get(agent, seen.rid)
    assert list(palantir.Session.list(agent)) == []
