"""What passing time does to sessions: idle after the version's timeout, expired after thirty days."""

from datetime import timedelta

import pytest
from azure.ai.projects.models import ContainerConfiguration, HostedAgentDefinition, SessionConfiguration
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from openai import NotFoundError
from project import openai


@pytest.fixture
def quick(agents, name) -> str:
    """An agent whose sessions are idle after two minutes."""
    configuration = SessionConfiguration(idle_timeout_seconds=timedelta(seconds=120))
    image = ContainerConfiguration(image="example/one:1")
    definition = HostedAgentDefinition(
        cpu="0.5", memory="1Gi", container_configuration=image, session_configuration=configuration
    )
    made = agents.create_version(name, definition=definition)
    assert made.definition.session_configuration.idle_timeout_seconds == timedelta(seconds=120)
    return name


def test_a_session_is_idle_after_its_versions_timeout(server, agents, quick):
    session = agents.create_session(quick, {})
    server.advance("119s")
    assert agents.get_session(quick, session.agent_session_id).status == "active"
    server.advance("1s")
    idle = agents.get_session(quick, session.agent_session_id)
    assert (idle.status, idle.stopped_at) == ("idle", session.last_accessed_at + timedelta(seconds=120))
    assert [other.status for other in agents.list_sessions(quick)] == ["idle"]


def test_without_a_timeout_of_its_own_it_is_a_quarter_of_an_hour(server, agents, agent):
    session = agents.create_session(agent, {}).agent_session_id
    server.advance("899s")
    assert agents.get_session(agent, session).status == "active"
    server.advance("1s")
    assert agents.get_session(agent, session).status == "idle"


def test_a_response_wakes_an_idle_session_and_moves_its_end(server, alice, agents, quick):
    session = agents.create_session(quick, {})
    server.advance("1h")
    openai(alice, quick).responses.create(input="x", extra_body={"agent_session_id": session.agent_session_id})
    awake = agents.get_session(quick, session.agent_session_id)
    assert awake.status == "active"
    assert awake.stopped_at == session.created_at + timedelta(seconds=120)
    assert awake.last_accessed_at >= session.created_at + timedelta(hours=1)
    assert awake.expires_at == awake.last_accessed_at + timedelta(days=30)


def test_looking_is_no_activity_and_files_are(server, agents, quick):
    session = agents.create_session(quick, {})
    server.advance("1m")
    agents.get_session(quick, session.agent_session_id)
    list(agents.list_sessions(quick))
    assert agents.get_session(quick, session.agent_session_id) == session
    agents.upload_session_file(quick, session.agent_session_id, b"x", path="a.txt")
    touched = agents.get_session(quick, session.agent_session_id)
    assert touched.last_accessed_at > session.last_accessed_at


def test_a_session_expires_after_thirty_days_without_activity(server, alice, agents, agent):
    session = agents.create_session(agent, {}).agent_session_id
    talk = openai(alice, agent)
    server.advance("29d")
    talk.responses.create(input="x", extra_body={"agent_session_id": session})
    server.advance("29d")
    assert agents.get_session(agent, session).status == "idle"
    server.advance("1d")
    assert agents.get_session(agent, session).status == "expired"
    assert [other.status for other in agents.list_sessions(agent)] == ["expired"]
    with pytest.raises(NotFoundError):
        talk.responses.create(input="x", extra_body={"agent_session_id": session})
    with pytest.raises(ResourceExistsError):
        agents.stop_session(agent, session)
    assert agents.delete_session(agent, session) is None
    with pytest.raises(ResourceNotFoundError):
        agents.get_session(agent, session)


def test_the_id_of_an_expired_session_may_be_used_again(server, agents, agent):
    agents.create_session(agent, {"agent_session_id": "used-again"})
    server.advance("31d")
    assert agents.create_session(agent, {"agent_session_id": "used-again"}).status == "active"


def test_what_was_said_does_not_expire(server, alice, agents, agent):
    talk = openai(alice, agent)
    conversation = talk.conversations.create().id
    said = talk.responses.create(input="three words", conversation=conversation)
    server.advance("100d")
    assert talk.responses.retrieve(said.id).output_text == "one two three"
    assert len(talk.conversations.items.list(conversation).data) == 2
    again = talk.responses.create(input="what did I say?", conversation=conversation)
    assert again.output_text == "user: three words\nagent: one two three\n"
    assert agents.get_session(agent, again.agent_session_id).created_at.timestamp() > said.created_at
    chained = talk.responses.create(input="what did I say?", previous_response_id=said.id)
    assert chained.output_text == again.output_text
