"""Session.create, get, delete, updateTitle: what a session says of itself, and to whom."""

import re
from datetime import timedelta

import pytest
from foundry_sdk.v2.aip_agents.errors import (
    AgentNotFound,
    AgentVersionNotFound,
    InvalidAgentVersion,
    NoPublishedAgentVersion,
    SessionNotFound,
)
from talk import NO_AGENT, NO_SESSION, new_id, say, text

DAY = timedelta(hours=24)


def test_a_new_session_is_empty_and_runs_the_latest_published_version(sessions, versions):
    made = sessions.create(versions.rid)
    assert re.fullmatch(r"ri\.aip-agents\.\.session\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made.rid)
    assert (made.agent_rid, made.agent_version) == (versions.rid, versions.published)
    metadata = made.metadata
    assert (metadata.title, metadata.message_count) == ("New session", 0)
    assert metadata.created_time == metadata.updated_time
    assert metadata.estimated_expires_time == metadata.updated_time + DAY
    assert sessions.get(versions.rid, made.rid) == made


def test_any_version_may_be_named_published_or_not(sessions, versions, draft):
    for label in versions.labels:
        assert sessions.create(versions.rid, agent_version=label).agent_version == label
    assert sessions.create(draft, agent_version="0.1").agent_version == "0.1"


def test_create_refuses_versions_that_are_malformed_missing_or_unpublished(sessions, echo, draft):
    with pytest.raises(InvalidAgentVersion) as refused:
        sessions.create(echo, agent_version="01.0")
    assert refused.value.parameters == {"agentRid": echo, "version": "01.0"}
    with pytest.raises(AgentVersionNotFound) as refused:
        sessions.create(echo, agent_version="9.9")
    assert refused.value.parameters == {"agentRid": echo, "agentVersionString": "9.9"}
    with pytest.raises(NoPublishedAgentVersion) as refused:
        sessions.create(draft)
    assert refused.value.parameters == {"agentRid": draft}
    with pytest.raises(AgentNotFound) as refused:
        sessions.create(NO_AGENT)
    assert refused.value.parameters == {"agentRid": NO_AGENT}


def test_each_exchange_counts_two_messages_and_moves_update_and_expiry(server, sessions, alice, echo, session):
    before = sessions.get(echo, session).metadata
    server.advance("1h")
    say(alice, echo, session, "one")
    after = sessions.get(echo, session).metadata
    assert after.message_count == 2
    assert after.created_time == before.created_time
    assert after.updated_time >= before.updated_time + timedelta(hours=1)
    assert after.estimated_expires_time == after.updated_time + DAY
    say(alice, echo, session, "two")
    assert sessions.get(echo, session).metadata.message_count == 4


def test_reading_does_not_extend_a_session(server, sessions, echo, session):
    before = sessions.get(echo, session)
    server.advance("1h")
    assert sessions.get(echo, session) == before
    sessions.Content.get(echo, session)
    list(sessions.list(echo))
    assert sessions.get(echo, session) == before


def test_a_session_that_is_used_outlives_a_day_and_one_that_is_not_is_gone(server, sessions, alice, echo):
    used, unused = sessions.create(echo).rid, sessions.create(echo).rid
    server.advance("23h")
    say(alice, echo, used, "still here")
    server.advance("2h")
    assert sessions.get(echo, used).rid == used
    listed = {listed.rid for listed in sessions.list(echo)}
    assert used in listed and unused not in listed
    for refused in every_operation(alice, echo, unused):
        assert refused == {"agentRid": echo, "sessionRid": unused}


def test_the_title_is_the_first_message_cut_to_200_characters(sessions, alice, echo, session):
    say(alice, echo, session, "Which pumps are due?")
    assert sessions.get(echo, session).metadata.title == "Which pumps are due?"
    say(alice, echo, session, "And next week?")
    assert sessions.get(echo, session).metadata.title == "Which pumps are due?"
    long = sessions.create(echo).rid
    say(alice, echo, long, "🐝" * 250)
    assert sessions.get(echo, long).metadata.title == "🐝" * 200


def test_a_title_that_was_given_stays_and_is_cut_to_200_characters(sessions, agents, alice, echo, session):
    assert sessions.update_title(echo, session, title="Pumps") is None
    say(alice, echo, session, "a first message")
    assert sessions.get(echo, session).metadata.title == "Pumps"
    for given, kept in [("x" * 250, "x" * 200), ("é🐝" * 125, "é🐝" * 100), ("", "")]:
        sessions.update_title(echo, session, title=given)
        assert sessions.get(echo, session).metadata.title == kept
        assert next(iter(sessions.list(echo))).metadata.title == kept
        assert next(iter(agents.all_sessions())).metadata.title == kept


def test_a_new_title_moves_a_session_up_but_does_not_extend_it(server, sessions, echo, session):
    other = sessions.create(echo).rid
    assert next(iter(sessions.list(echo))).rid == other
    before = sessions.get(echo, session).metadata
    server.advance("1h")
    sessions.update_title(echo, session, title="Up")
    after = sessions.get(echo, session).metadata
    assert next(iter(sessions.list(echo))).rid == session
    assert after.updated_time >= before.updated_time + timedelta(hours=1)
    assert after.estimated_expires_time == before.estimated_expires_time
    assert after.message_count == before.message_count


def test_a_deleted_session_is_gone_everywhere(sessions, agents, alice, echo, session):
    say(alice, echo, session, "soon forgotten")
    assert sessions.delete(echo, session) is None
    for refused in every_operation(alice, echo, session):
        assert refused == {"agentRid": echo, "sessionRid": session}
    assert session not in {listed.rid for listed in sessions.list(echo)}
    assert session not in {listed.rid for listed in agents.all_sessions()}


def test_another_users_session_looks_missing(sessions, alice, bob, echo, session):
    say(alice, echo, session, "between us")
    before = sessions.get(echo, session)
    for refused in every_operation(bob, echo, session):
        assert refused == {"agentRid": echo, "sessionRid": session}
    assert sessions.get(echo, session) == before


def test_a_session_is_not_found_under_another_agent(alice, server, session):
    support = server.agent("support")
    for refused in every_operation(alice, support, session):
        assert refused == {"agentRid": support, "sessionRid": session}


def test_an_unknown_session_is_not_found(alice, echo):
    for refused in every_operation(alice, echo, NO_SESSION):
        assert refused == {"agentRid": echo, "sessionRid": NO_SESSION}


def test_an_unknown_agent_comes_before_an_unknown_session(alice):
    for refused in every_operation(alice, NO_AGENT, NO_SESSION, AgentNotFound):
        assert refused == {"agentRid": NO_AGENT}


def every_operation(client, agent, session, error=SessionNotFound):
    """Calls each operation on a session, and gives the parameters of the error that it must meet."""
    of = client.aip_agents.Agent.Session
    say_it = {"user_input": text("hello"), "parameter_inputs": {}}
    operations = [
        lambda: of.get(agent, session),
        lambda: of.Content.get(agent, session),
        lambda: of.SessionTrace.get(agent, session, new_id()),
        lambda: of.blocking_continue(agent, session, **say_it),
        lambda: of.streaming_continue(agent, session, **say_it),
        lambda: of.rag_context(agent, session, **say_it),
        lambda: of.cancel(agent, session, message_id=new_id()),
        lambda: of.update_title(agent, session, title="x"),
        lambda: of.delete(agent, session),
    ]
    for operation in operations:
        with pytest.raises(error) as refused:
            operation()
        yield refused.value.parameters
