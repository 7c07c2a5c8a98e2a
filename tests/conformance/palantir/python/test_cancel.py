"""Session.cancel: what becomes of the exchange, the stream and the session."""

import threading

import pytest
from foundry_sdk.v2.aip_agents.errors import CancelSessionFailedMessageNotInProgress
from talk import exchanges, first, new_id, request, say, streaming


def refuses_cancel(sessions, agent, session, message):
    with pytest.raises(CancelSessionFailedMessageNotInProgress) as refused:
        sessions.cancel(agent, session, message_id=message)
    assert refused.value.parameters == {"agentRid": agent, "sessionRid": session, "messageId": message}


def test_without_a_response_the_exchange_is_dropped_and_the_session_is_free(
    server, sessions, alice, scripted, scripted_session
):
    before = sessions.get(scripted, scripted_session)
    trace, message = new_id(), new_id()
    with streaming(
        alice, scripted, scripted_session, "hang", message_id=message, session_trace_id=trace
    ) as chunks:
        assert first(chunks, "one two ")
        path = f"/agents/{scripted}/sessions/{scripted_session}/cancel?preview=true"
        reply = request(server, "POST", path, {"messageId": message})
        assert (reply.status, reply.json) == (200, {})
        assert sessions.get(scripted, scripted_session) == before
        assert exchanges(alice, scripted, scripted_session) == []
        assert sessions.SessionTrace.get(scripted, scripted_session, trace).status == "COMPLETE"
        # The stream is still open, and the next exchange may start.
        assert say(alice, scripted, scripted_session, "three words").agent_markdown_response == "one two three"
    assert exchanges(alice, scripted, scripted_session) == [("three words", "one two three")]


@pytest.mark.parametrize("response", ["stopped here", ""])
def test_with_a_response_the_exchange_is_kept_with_it(sessions, alice, scripted, scripted_session, response):
    trace, message = new_id(), new_id()
    with streaming(
        alice, scripted, scripted_session, "hang", message_id=message, session_trace_id=trace
    ) as chunks:
        assert first(chunks, "one two ")
        result = sessions.cancel(scripted, scripted_session, message_id=message, response=response).result
    assert (result.agent_markdown_response, result.interrupted_output) == (response, True)
    assert (result.session_trace_id, result.parameter_updates) == (trace, {})
    content = sessions.Content.get(scripted, scripted_session)
    assert [(exchange.user_input.text, exchange.result) for exchange in content.exchanges] == [("hang", result)]
    assert sessions.get(scripted, scripted_session).metadata.message_count == 2
    said = say(alice, scripted, scripted_session, "what did I say?").agent_markdown_response
    assert said.splitlines()[0] == "user: hang"
    assert say(alice, scripted, scripted_session, "three words").agent_markdown_response == "one two three"


def test_a_kept_exchange_extends_the_session(server, sessions, alice, scripted, scripted_session):
    before = sessions.get(scripted, scripted_session).metadata
    server.advance("1h")
    message = new_id()
    with streaming(alice, scripted, scripted_session, "hang", message_id=message) as chunks:
        next(chunks)
        sessions.cancel(scripted, scripted_session, message_id=message, response="stopped")
    after = sessions.get(scripted, scripted_session).metadata
    assert after.estimated_expires_time > before.estimated_expires_time
    assert after.updated_time > before.updated_time


def test_a_cancelled_stream_goes_on_to_its_natural_end(sessions, alice, scripted, scripted_session):
    message = new_id()
    with streaming(alice, scripted, scripted_session, "slow", message_id=message) as chunks:
        said = next(chunks)
        sessions.cancel(scripted, scripted_session, message_id=message, response="stopped")
        said += "".join(chunks)
    assert said == "one two three four five six seven eight"
    assert exchanges(alice, scripted, scripted_session) == [("slow", "stopped")]


def test_unknown_finished_and_cancelled_messages_are_not_in_progress(sessions, alice, scripted, scripted_session):
    refuses_cancel(sessions, scripted, scripted_session, new_id())
    finished = new_id()
    with streaming(alice, scripted, scripted_session, "three words", message_id=finished) as chunks:
        list(chunks)
    refuses_cancel(sessions, scripted, scripted_session, finished)
    cancelled = new_id()
    with streaming(alice, scripted, scripted_session, "hang", message_id=cancelled) as chunks:
        next(chunks)
        sessions.cancel(scripted, scripted_session, message_id=cancelled)
        refuses_cancel(sessions, scripted, scripted_session, cancelled)
        refuses_cancel(sessions, scripted, scripted_session, new_id())
    assert exchanges(alice, scripted, scripted_session) == [("three words", "one two three")]


def test_a_message_is_cancelled_in_its_own_session_only(sessions, alice, bob, scripted, scripted_session):
    other, message = sessions.create(scripted).rid, new_id()
    with streaming(alice, scripted, scripted_session, "hang", message_id=message) as chunks:
        next(chunks)
        refuses_cancel(sessions, scripted, other, message)
        sessions.cancel(scripted, scripted_session, message_id=message.upper())


def test_of_two_cancels_at_once_one_wins(sessions, alice, scripted, scripted_session):
    message, outcomes = new_id(), []

    def cancel(response):
        try:
            outcomes.append(sessions.cancel(scripted, scripted_session, message_id=message, response=response).result)
        except CancelSessionFailedMessageNotInProgress:
            outcomes.append(None)

    with streaming(alice, scripted, scripted_session, "hang", message_id=message) as chunks:
        next(chunks)
        threads = [threading.Thread(target=cancel, args=(f"response {n}",)) for n in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    won = [result for result in outcomes if result]
    assert len(outcomes) == 4 and len(won) == 1
    assert exchanges(alice, scripted, scripted_session) == [("hang", won[0].agent_markdown_response)]


def test_an_exchange_without_a_message_id_cannot_be_cancelled(sessions, alice, scripted, scripted_session):
    trace = new_id()
    with streaming(alice, scripted, scripted_session, "slow", session_trace_id=trace) as chunks:
        next(chunks)
        refuses_cancel(sessions, scripted, scripted_session, trace)
        list(chunks)
