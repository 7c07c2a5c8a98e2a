"""Keys that allow less than everything: what looks missing, and what is known but not allowed."""

import json

import pytest
from foundry_sdk import PermissionDeniedError, UnauthorizedError
from foundry_sdk.v2.aip_agents.errors import (
    AgentNotFound,
    BlockingContinueSessionPermissionDenied,
    CancelSessionPermissionDenied,
    CreateSessionPermissionDenied,
    DeleteSessionPermissionDenied,
    GetRagContextForSessionPermissionDenied,
    ListSessionsForAgentsPermissionDenied,
    StreamingContinueSessionPermissionDenied,
    UpdateSessionTitlePermissionDenied,
)
from talk import client_of, new_id, say, text


@pytest.fixture(scope="module")
def key_with(server):
    """Makes an API key of alice's with these grants; a client that uses it."""

    def make(*grants: str):
        arguments = [argument for grant in grants for argument in ("--grant", grant)]
        made = json.loads(server.cli("key", "create", "--user", "alice", "--name", "test", *arguments, "--json"))
        return client_of(server, made["secret"]).aip_agents.Agent, made

    return make


def test_a_users_key_does_what_the_user_may_and_sees_what_is_theirs(key_with, sessions, echo):
    agents, _ = key_with("user")
    session = agents.Session.create(echo).rid
    # For personal credentials the client is one and the same.
    assert sessions.get(echo, session).rid == session
    assert next(iter(sessions.list(echo))).rid == session


def test_a_revoked_key_is_unauthorized(server, key_with, echo):
    agents, made = key_with("user")
    assert agents.get(echo).rid == echo
    server.cli("key", "revoke", made["id"])
    with pytest.raises(UnauthorizedError) as refused:
        agents.get(echo)
    assert refused.value.name == "Default:Unauthorized"


READING = ("read_agents", "list_sessions", "read_sessions")


def test_what_a_reader_may_not_do_has_the_operations_own_error(key_with, sessions, echo, session):
    reader, _ = key_with(*READING)
    assert reader.get(echo).rid == echo
    assert reader.Session.get(echo, session).rid == session
    said = {"user_input": text("x"), "parameter_inputs": {}}
    both = {"agentRid": echo, "sessionRid": session}
    for operation, error, parameters in [
        (lambda: reader.Session.create(echo), CreateSessionPermissionDenied, {"agentRid": echo}),
        (lambda: reader.Session.delete(echo, session), DeleteSessionPermissionDenied, both),
        (lambda: reader.Session.update_title(echo, session, title="x"), UpdateSessionTitlePermissionDenied, both),
        (lambda: reader.Session.blocking_continue(echo, session, **said), BlockingContinueSessionPermissionDenied, both),
        (
            lambda: reader.Session.streaming_continue(echo, session, **said),
            StreamingContinueSessionPermissionDenied,
            both,
        ),
        (lambda: reader.Session.cancel(echo, session, message_id=new_id()), CancelSessionPermissionDenied, both),
        (lambda: reader.Session.rag_context(echo, session, **said), GetRagContextForSessionPermissionDenied, both),
    ]:
        with pytest.raises(error) as refused:
            operation()
        assert refused.value.parameters == parameters
    assert sessions.get(echo, session).metadata.message_count == 0


def test_a_key_that_may_not_list_is_told_so(key_with, echo):
    agents, _ = key_with("read_agents", "create_sessions", "talk")
    with pytest.raises(ListSessionsForAgentsPermissionDenied) as refused:
        agents.all_sessions()
    assert refused.value.parameters == {}
    with pytest.raises(PermissionDeniedError):
        agents.Session.list(echo)


def test_a_key_for_one_agent_knows_of_no_other(server, key_with, sessions, alice, echo):
    support = server.agent("support")
    elsewhere = sessions.create(support).rid
    agents, _ = key_with(*(f"{action}:echo" for action in (*READING, "create_sessions", "manage_sessions", "talk")))
    session = agents.Session.create(echo).rid
    agents.Session.update_title(echo, session, title="mine")
    assert agents.Session.blocking_continue(
        echo, session, user_input=text("hello"), parameter_inputs={}
    ).agent_markdown_response == "hello"
    for operation in (
        lambda: agents.get(support),
        lambda: agents.AgentVersion.list(support),
        lambda: agents.Session.create(support),
        lambda: agents.Session.list(support),
        lambda: agents.Session.get(support, elsewhere),
        lambda: agents.Session.Content.get(support, elsewhere),
        lambda: agents.Session.SessionTrace.get(support, elsewhere, new_id()),
        lambda: agents.Session.blocking_continue(support, elsewhere, user_input=text("x"), parameter_inputs={}),
        lambda: agents.Session.rag_context(support, elsewhere, user_input=text("x"), parameter_inputs={}),
        lambda: agents.Session.cancel(support, elsewhere, message_id=new_id()),
        lambda: agents.Session.update_title(support, elsewhere, title="x"),
        lambda: agents.Session.delete(support, elsewhere),
    ):
        with pytest.raises(AgentNotFound) as refused:
            operation()
        assert refused.value.parameters == {"agentRid": support}
    listed = [session.rid for session in agents.all_sessions()]
    assert session in listed and elsewhere not in listed


def test_a_key_that_may_read_elsewhere_only_is_denied_not_told_of_a_scope(key_with, sessions, echo, session):
    agents, _ = key_with(*READING, "create_sessions:support", "talk:support")
    with pytest.raises(CreateSessionPermissionDenied):
        agents.Session.create(echo)
    with pytest.raises(PermissionDeniedError):
        agents.Session.blocking_continue(echo, session, user_input=text("x"), parameter_inputs={})


def test_a_deleted_agent_takes_its_sessions_with_it(server, agents, sessions, alice):
    agent = server.create_agent('key = "shortlived"\nname = "Shortlived"\n')
    session = sessions.create(agent).rid
    say(alice, agent, session, "hello")
    server.cli("agent", "delete", "shortlived")
    for operation in (
        lambda: agents.get(agent),
        lambda: sessions.get(agent, session),
        lambda: sessions.Content.get(agent, session),
        lambda: say(alice, agent, session, "again"),
        lambda: sessions.list(agent),
    ):
        with pytest.raises(AgentNotFound) as refused:
            operation()
        assert refused.value.parameters == {"agentRid": agent}
    assert session not in [listed.rid for listed in agents.all_sessions()]
