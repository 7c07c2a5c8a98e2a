"""foundry-platform-sdk 1.30.0: the errors that it knows, and what they say."""

import pytest
from foundry_sdk import BadRequestError, Config, FoundryClient, UserTokenAuth
from foundry_sdk.v2.aip_agents.errors import (
    AgentIterationsExceededLimit,
    AgentNotFound,
    AgentVersionNotFound,
    CancelSessionFailedMessageNotInProgress,
    InvalidAgentVersion,
    InvalidParameter,
    InvalidParameterType,
    NoPublishedAgentVersion,
    RateLimitExceeded,
    SessionNotFound,
)
from sederunt import SCHEME
from talk import NO_AGENT, exchanges, new_id, request, say, streaming, text


def test_without_preview_nothing_is_served(server, echo):
    client = FoundryClient(
        auth=UserTokenAuth(server.token("alice")), hostname=server.host, config=Config(scheme=SCHEME)
    )
    assert client.aip_agents.Agent.get(echo, preview=True).rid == echo
    with pytest.raises(BadRequestError) as refused:
        client.aip_agents.Agent.get(echo)
    assert (refused.value.name, refused.value.parameters) == ("ApiFeaturePreviewUsageOnly", {})


def test_what_is_wrong_with_a_version_has_a_name(agents, echo, draft):
    with pytest.raises(NoPublishedAgentVersion) as refused:
        agents.get(draft)
    assert refused.value.parameters == {"agentRid": draft}
    with pytest.raises(AgentVersionNotFound) as refused:
        agents.get(echo, version="9.9")
    assert refused.value.parameters == {"agentRid": echo, "agentVersionString": "9.9"}
    with pytest.raises(InvalidAgentVersion) as refused:
        agents.AgentVersion.get(echo, "x")
    assert refused.value.parameters == {"agentRid": echo, "version": "x"}


def test_a_session_is_not_made_where_there_is_nothing_to_talk_to(sessions, echo, draft):
    for agent, label, error, parameters in [
        (NO_AGENT, None, AgentNotFound, {"agentRid": NO_AGENT}),
        (draft, None, NoPublishedAgentVersion, {"agentRid": draft}),
        (echo, "x", InvalidAgentVersion, {"agentRid": echo, "version": "x"}),
        (echo, "9.9", AgentVersionNotFound, {"agentRid": echo, "agentVersionString": "9.9"}),
    ]:
        with pytest.raises(error) as refused:
            sessions.create(agent, agent_version=label)
        assert refused.value.parameters == parameters


def test_a_page_token_that_is_none_is_refused(server, echo):
    # This SDK sends none but those that it was given, whatever `page_token` says.
    broken = Config(scheme=SCHEME, default_params={"preview": "true", "pageToken": "nonsense"})
    client = FoundryClient(auth=UserTokenAuth(server.token("alice")), hostname=server.host, config=broken)
    for attempt in (lambda: client.aip_agents.Agent.Session.list(echo), client.aip_agents.Agent.all_sessions):
        with pytest.raises(BadRequestError) as refused:
            next(attempt())
        assert (refused.value.name, refused.value.parameters) == ("InvalidPageToken", {"pageToken": "nonsense"})


def test_parameters_are_checked_blocking_and_streaming(alice, pumps, pump_session):
    both = {"agentRid": pumps, "sessionRid": pump_session}
    for inputs, error, parameters in [
        ({"nope": {"type": "string", "value": "x"}}, InvalidParameter, {"parameter": "nope"}),
        (
            {"due": {"type": "string", "value": "x"}},
            InvalidParameterType,
            {"parameter": "due", "expectedType": "objectSet", "receivedType": "string"},
        ),
    ]:
        with pytest.raises(error) as refused:
            say(alice, pumps, pump_session, "which site", parameter_inputs=inputs)
        assert refused.value.parameters == both | parameters
        with pytest.raises(error):
            with streaming(alice, pumps, pump_session, "which site", parameter_inputs=inputs) as chunks:
                list(chunks)
    assert exchanges(alice, pumps, pump_session) == []


def test_limits_of_the_model_have_their_names(alice, scripted, scripted_session):
    for kind, error in [("iterations", AgentIterationsExceededLimit), ("rate_limited", RateLimitExceeded)]:
        with pytest.raises(error):
            say(alice, scripted, scripted_session, f"fault {kind}")


def test_an_unknown_message_cannot_be_cancelled(sessions, echo, session):
    message = new_id()
    with pytest.raises(CancelSessionFailedMessageNotInProgress) as refused:
        sessions.cancel(echo, session, message_id=message)
    assert refused.value.parameters == {"agentRid": echo, "sessionRid": session, "messageId": message}


def test_contexts_that_are_found_are_read(sessions, scripted, scripted_session):
    found = sessions.rag_context(scripted, scripted_session, user_input=text("look up"), parameter_inputs={})
    assert len(found.object_contexts) == 1
    assert [context.retrieved_prompt for context in found.function_retrieved_contexts] == ["Pumps are blue."]


def test_a_session_of_somebody_else_a_deleted_and_an_expired_one_look_missing(server, sessions, bob, echo):
    def is_missing(of, rid):
        for operation in (
            lambda: of.get(echo, rid),
            lambda: of.Content.get(echo, rid),
            lambda: of.blocking_continue(echo, rid, user_input=text("x"), parameter_inputs={}),
        ):
            with pytest.raises(SessionNotFound) as refused:
                operation()
            assert refused.value.parameters == {"agentRid": echo, "sessionRid": rid}

    rid = sessions.create(echo).rid
    is_missing(bob.aip_agents.Agent.Session, rid)
    # This SDK has no delete.
    assert request(server, "DELETE", f"/agents/{echo}/sessions/{rid}?preview=true").status == 204
    is_missing(sessions, rid)
    rid = sessions.create(echo).rid
    server.advance("25h")
    is_missing(sessions, rid)
