"""foundry-platform-sdk 1.30.0: every operation it has."""

import httpx
import pytest
from foundry_sdk import BadRequestError, ConflictError, SDKInternalError, UnauthorizedError
from foundry_sdk.v2.aip_agents.errors import (
    AgentNotFound,
    AgentVersionNotFound,
    CancelSessionFailedMessageNotInProgress,
    ContextSizeExceededLimit,
    InvalidAgentVersion,
    SessionExecutionFailed,
    SessionNotFound,
    SessionTraceIdAlreadyExists,
    SessionTraceNotFound,
)
from talk import NO_AGENT, NO_SESSION, client_of, exchanges, first, new_id, say, streaming, text


def test_agents_and_versions_are_read(server, agents, echo):
    agent = agents.get(echo)
    assert (agent.rid, agent.version, agent.parameters) == (echo, "1.0", {})
    assert [version.string for version in agents.AgentVersion.list(echo)] == ["1.0"]
    assert agents.AgentVersion.get(echo, "1.0").version.major == 1
    with pytest.raises(AgentNotFound):
        agents.get(NO_AGENT)
    with pytest.raises(InvalidAgentVersion):
        agents.get(echo, version="x")
    with pytest.raises(AgentVersionNotFound):
        agents.AgentVersion.get(echo, "9.9")


def test_sessions_are_made_read_listed_and_renamed(agents, sessions, echo):
    made = [sessions.create(echo).rid for _ in range(5)]
    sessions.update_title(echo, made[0], title="Renamed")
    assert sessions.get(echo, made[0]).metadata.title == "Renamed"
    assert [session.rid for session in sessions.list(echo, page_size=2)][:5] == [made[0], *made[:0:-1]]
    assert {session.rid for session in agents.all_sessions(page_size=2)} >= set(made)
    with pytest.raises(SessionNotFound):
        sessions.get(echo, NO_SESSION)
    with pytest.raises(BadRequestError) as refused:
        sessions.list(echo, page_size=0)
    assert refused.value.name == "InvalidPageSize"


def test_exchanges_are_blocking_or_streamed(sessions, alice, echo, session):
    trace = new_id()
    assert say(alice, echo, session, "one", session_trace_id=trace).agent_markdown_response == "one"
    assert sessions.SessionTrace.get(echo, session, trace).status == "COMPLETE"
    assert sessions.streaming_continue(echo, session, user_input=text("two"), parameter_inputs={}) == b"two"
    assert exchanges(alice, echo, session) == [("one", "one"), ("two", "two")]
    assert sessions.rag_context(echo, session, user_input=text("x"), parameter_inputs={}).object_contexts == []
    with pytest.raises(SessionTraceIdAlreadyExists):
        say(alice, echo, session, "again", session_trace_id=trace)
    with pytest.raises(SessionTraceNotFound):
        sessions.SessionTrace.get(echo, session, new_id())


def test_a_stream_arrives_in_chunks_and_is_cancelled(sessions, alice, scripted, scripted_session):
    message = new_id()
    with streaming(alice, scripted, scripted_session, "hang", message_id=message) as chunks:
        assert first(chunks, "one two ")
        with pytest.raises(ConflictError):
            say(alice, scripted, scripted_session, "three words")
        result = sessions.cancel(scripted, scripted_session, message_id=message, response="stopped").result
        assert (result.agent_markdown_response, result.interrupted_output) == ("stopped", True)
    with pytest.raises(CancelSessionFailedMessageNotInProgress):
        sessions.cancel(scripted, scripted_session, message_id=message)
    assert exchanges(alice, scripted, scripted_session) == [("hang", "stopped")]


def test_faults_have_their_names(sessions, alice, scripted, scripted_session):
    with pytest.raises(ContextSizeExceededLimit):
        say(alice, scripted, scripted_session, "fault context_too_large")
    with pytest.raises(SessionExecutionFailed):
        say(alice, scripted, scripted_session, "fault failed")
    # Names that came after this SDK reach it as the class of their status.
    with pytest.raises(BadRequestError) as failed:
        say(alice, scripted, scripted_session, "fault retries_used_up")
    assert failed.value.name == "RetryAttemptsExceeded"
    with pytest.raises(SDKInternalError):
        sessions.streaming_continue(scripted, scripted_session, user_input=text("break"), parameter_inputs={})
    with pytest.raises(httpx.RemoteProtocolError):
        with streaming(alice, scripted, scripted_session, "break") as chunks:
            list(chunks)


def test_tool_calls_of_every_sort_that_it_knows_are_read(sessions, alice, scripted, scripted_session):
    trace = say(alice, scripted, scripted_session, "early tools").session_trace_id
    groups = sessions.SessionTrace.get(scripted, scripted_session, trace).tool_call_groups
    assert [len(group.tool_calls) for group in groups] == [3, 3]


def test_a_wrong_token_is_unauthorized(server, echo):
    with pytest.raises(UnauthorizedError):
        client_of(server, "wrong").aip_agents.Agent.get(echo)
