"""Session.streamingContinue: the bytes, what is stored, and what a failure leaves."""

import http.client

import httpx
import pytest
from foundry_sdk import SDKInternalError
from foundry_sdk.v2.aip_agents.errors import SessionNotFound, SessionTraceIdAlreadyExists
from talk import PREFIX, connect, exchanges, first, new_id, say, streaming, text, until


def test_chunks_arrive_while_the_answer_is_still_being_made(sessions, alice, scripted, scripted_session):
    trace, message = new_id(), new_id()
    with streaming(
        alice, scripted, scripted_session, "hang", session_trace_id=trace, message_id=message
    ) as chunks:
        # This answer never ends, so whatever arrives has arrived before its end.
        assert first(chunks, "one two ")
        assert sessions.SessionTrace.get(scripted, scripted_session, trace).status == "IN_PROGRESS"
        assert exchanges(alice, scripted, scripted_session) == []
        assert sessions.get(scripted, scripted_session).metadata.message_count == 0
        sessions.cancel(scripted, scripted_session, message_id=message)


@pytest.mark.parametrize("message", ["three words", "letters", "markdown"])
def test_the_chunks_together_are_the_stored_answer(alice, scripted, scripted_session, message):
    with streaming(alice, scripted, scripted_session, message) as chunks:
        streamed = "".join(chunks)
        # Whoever looks right after the end finds the exchange.
        assert exchanges(alice, scripted, scripted_session) == [(message, streamed)]


def test_every_chunk_is_whole_characters(alice, scripted, scripted_session):
    with streaming(alice, scripted, scripted_session, "letters") as chunks:
        # Each chunk is decoded by itself.
        assert "".join(chunks) == "Grüße, 東京 und 🐝🐝"


def test_the_plain_call_returns_all_bytes(alice, sessions, echo, session):
    said = sessions.streaming_continue(echo, session, user_input=text("all at once"), parameter_inputs={})
    assert said == b"all at once"
    assert exchanges(alice, echo, session) == [("all at once", "all at once")]


def test_an_empty_answer_is_an_empty_stream(alice, sessions, echo, session):
    assert sessions.streaming_continue(echo, session, user_input=text(""), parameter_inputs={}) == b""
    assert exchanges(alice, echo, session) == [("", "")]


def test_a_streamed_result_is_read_from_content_afterwards(sessions, alice, scripted, scripted_session):
    trace = new_id()
    with streaming(alice, scripted, scripted_session, "three words", session_trace_id=trace) as chunks:
        assert "".join(chunks) == "one two three"
    result = sessions.Content.get(scripted, scripted_session).exchanges[0].result
    assert (result.session_trace_id, result.interrupted_output, result.total_tokens_used) == (trace, False, 10)
    assert sessions.get(scripted, scripted_session).metadata.message_count == 2


def test_a_failure_in_the_middle_breaks_the_connection_and_stores_nothing(sessions, alice, scripted, scripted_session):
    before = sessions.get(scripted, scripted_session)
    trace, seen = new_id(), []
    with pytest.raises(httpx.RemoteProtocolError):
        with streaming(alice, scripted, scripted_session, "break", session_trace_id=trace) as chunks:
            seen.extend(chunks)
    assert "one two three".startswith("".join(seen))
    assert exchanges(alice, scripted, scripted_session) == []
    assert sessions.get(scripted, scripted_session) == before
    assert sessions.SessionTrace.get(scripted, scripted_session, trace).status == "COMPLETE"
    with pytest.raises(SessionTraceIdAlreadyExists):
        say(alice, scripted, scripted_session, "three words", session_trace_id=trace)
    assert say(alice, scripted, scripted_session, "three words").agent_markdown_response == "one two three"


@pytest.mark.parametrize("message", ["break", "fault rate_limited", "fault failed"])
def test_the_plain_call_reports_a_broken_stream(sessions, alice, scripted, scripted_session, message):
    with pytest.raises(SDKInternalError):
        sessions.streaming_continue(scripted, scripted_session, user_input=text(message), parameter_inputs={})
    assert exchanges(alice, scripted, scripted_session) == []


def test_what_is_checked_before_the_stream_is_an_ordinary_error(alice, scripted, echo, session):
    with pytest.raises(SessionNotFound):
        with streaming(alice, scripted, session, "three words") as chunks:
            list(chunks)


def test_closing_the_connection_is_no_cancel(alice, scripted, scripted_session):
    with streaming(alice, scripted, scripted_session, "slow") as chunks:
        assert first(chunks, "one two ")
    kept = until(lambda: exchanges(alice, scripted, scripted_session), "the exchange is stored")
    assert kept == [("slow", "one two three four five six seven eight")]


def test_a_session_deleted_while_it_streams_breaks_the_stream(sessions, alice, scripted, scripted_session):
    with pytest.raises(httpx.RemoteProtocolError):
        with streaming(alice, scripted, scripted_session, "hang") as chunks:
            assert first(chunks, "one two ")
            sessions.delete(scripted, scripted_session)
            list(chunks)
    with pytest.raises(SessionNotFound):
        sessions.get(scripted, scripted_session)


def test_the_stream_is_raw_bytes_in_chunks_whatever_is_accepted(server, scripted, scripted_session):
    for accept in ("application/octet-stream", "text/event-stream", "application/json", None):
        connection = connect(server)
        headers = {"Authorization": f"Bearer {server.token('alice')}", "Content-Type": "application/json"}
        if accept:
            headers["Accept"] = accept
        path = f"{PREFIX}/agents/{scripted}/sessions/{scripted_session}/streamingContinue?preview=true"
        connection.request("POST", path, '{"userInput":{"text":"three words"}}', headers)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.headers["content-length"] is None and answer.headers["content-encoding"] is None
        assert answer.read() == b"one two three"
        # A clean end leaves the connection fit for the next request.
        connection.request("GET", f"{PREFIX}/agents/{scripted}?preview=true", headers=headers)
        assert connection.getresponse().status == 200
        connection.close()


def test_a_broken_stream_ends_without_the_final_chunk(server, scripted, scripted_session):
    connection = connect(server)
    headers = {"Authorization": f"Bearer {server.token('alice')}", "Content-Type": "application/json"}
    path = f"{PREFIX}/agents/{scripted}/sessions/{scripted_session}/streamingContinue?preview=true"
    connection.request("POST", path, '{"userInput":{"text":"break"}}', headers)
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    connection.close()
