"""Streamed responses: the events of text, reasoning, refusals, calls and failures; the helper of the client."""

import json
from contextlib import contextmanager

import pytest
from openai import NotFoundError
from wire import connect, until

TEXT = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def stream(talk, said: str, **more) -> list:
    """All events of a streamed response; checks their numbers."""
    events = list(talk.responses.create(input=said, stream=True, **more))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return events


def kinds(events) -> list[str]:
    """The types of the events in order, one for several deltas in a row."""
    types = [event.type for event in events]
    return [kind for at, kind in enumerate(types) if not (kind.endswith(".delta") and at and types[at - 1] == kind)]


def test_text_comes_in_the_documented_sequence(talk):
    events = stream(talk, "three words")
    assert kinds(events) == TEXT
    created, progress, added, opened, *deltas, done, closed, ended, completed = events
    for event in (created, progress):
        assert (event.response.status, event.response.output) == ("in_progress", [])
        assert event.response.agent_session_id
    assert (added.output_index, added.item.status, added.item.content) == (0, "in_progress", [])
    assert (opened.content_index, opened.part.type, opened.part.text) == (0, "output_text", "")
    assert "".join(delta.delta for delta in deltas) == done.text == closed.part.text == "one two three"
    assert {event.item_id for event in (opened, *deltas, done, closed)} == {added.item.id}
    assert all(delta.logprobs == [] for delta in (*deltas, done))
    assert (ended.item.id, ended.item.status) == (added.item.id, "completed")
    assert completed.response.output == [ended.item]
    assert (completed.response.usage.total_tokens, completed.response.id) == (10, created.response.id)
    assert talk.responses.retrieve(created.response.id).output == completed.response.output


def test_reasoning_has_events_and_an_index_of_its_own(talk):
    events = stream(talk, "think")
    assert kinds(events)[2:-7] == [
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
    ]
    done = next(event for event in events if event.type == "response.reasoning_summary_text.done")
    assert (done.output_index, done.summary_index, done.text) == (0, 0, "Let me see.")
    assert events[-2].output_index == 1


def test_a_refusal_has_events_of_its_own(talk):
    events = stream(talk, "refuse")
    assert kinds(events) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    done = next(event for event in events if event.type == "response.refusal.done")
    assert (done.refusal, done.content_index) == ("I will not do that.", 0)


def test_a_function_call_has_events_of_its_own(talk):
    events = stream(talk, "weather in Paris")
    assert kinds(events) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    added, done, ended = events[2], events[-3], events[-2]
    assert (added.item.type, added.item.name, added.item.arguments) == ("function_call", "get_weather", "")
    assert (done.name, json.loads(done.arguments)) == ("get_weather", {"city": "Paris"})
    assert "".join(event.delta for event in events[3:-3]) == done.arguments
    assert (ended.item.id, ended.item.arguments, ended.item.status) == (added.item.id, done.arguments, "completed")


def test_an_answer_that_was_cut_ends_incomplete(talk):
    ended = stream(talk, "cut")[-1]
    assert (ended.type, ended.response.status) == ("response.incomplete", "incomplete")
    assert ended.response.incomplete_details.reason == "max_output_tokens"


def test_a_failure_before_anything_is_said_ends_in_failed(talk):
    events = stream(talk, "fault failed")
    assert kinds(events) == ["response.created", "response.in_progress", "response.failed"]
    assert (events[-1].response.error.code, events[-1].response.error.message) == ("server_error", "told to the caller")


def test_a_failure_in_the_middle_ends_in_failed(talk):
    events = stream(talk, "break")
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "one two "
    ended = events[-1]
    assert (ended.type, ended.response.status, ended.response.output) == ("response.failed", "failed", [])
    assert ended.response.error.code and ended.response.error.message
    assert [event.type for event in events].count("response.failed") == 1


def test_deltas_arrive_while_the_response_still_runs(talk):
    events = iter(talk.responses.create(input="hang", stream=True, background=True))
    created = next(events)
    said = ""
    while said != "one two ":
        event = next(events)
        said += event.delta if event.type == "response.output_text.delta" else ""
    assert talk.responses.retrieve(created.response.id).status == "in_progress"
    assert talk.responses.cancel(created.response.id).status == "cancelled"
    ended = list(events)[-1]
    assert (ended.type, ended.response.status, ended.response.output) == ("response.failed", "cancelled", [])


def test_a_streamed_response_that_loses_its_client_is_cancelled(talk):
    with talk.responses.create(input="hang", stream=True) as events:
        created = next(iter(events))

    def state() -> str:
        try:
            return talk.responses.retrieve(created.response.id).status
        except NotFoundError:
            return "not found"

    # While it runs it is not found, since it is not in the background.
    until(lambda: state() == "cancelled", "the end of the response")


def test_a_stream_ends_when_its_session_is_deleted(talk, agents, agent, session):
    events = iter(talk.responses.create(input="hang", stream=True, extra_body={"agent_session_id": session}))
    assert next(events).type == "response.created"
    agents.delete_session(agent, session)
    assert list(events)[-1].type in ("response.failed", "error")


def test_the_helper_ends_with_the_whole_text(talk):
    with talk.responses.stream(model="scripted", input="three words") as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert final.output_text == "one two three"


@pytest.mark.parametrize("said", ["think", "refuse", "weather in both", "letters", "hello"])
def test_the_helper_takes_every_kind_of_answer(talk, said):
    with talk.responses.stream(model="scripted", input=said) as events:
        assert events.get_final_response().status == "completed"


def test_the_helper_collects_a_function_call(talk):
    with talk.responses.stream(model="scripted", input="weather in Paris") as events:
        call = events.get_final_response().output[0]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", {"city": "Paris"})


def test_the_helper_raises_where_a_response_fails(talk):
    with talk.responses.stream(model="scripted", input="break") as events:
        with pytest.raises(RuntimeError):
            events.get_final_response()


@contextmanager
def on_the_wire(server, agent, session, said: str):
    """The answer to a streamed response, its body unread."""
    connection = connect(server)
    path = f"/api/projects/default/agents/{agent}/endpoint/protocols/openai/responses?api-version=v1"
    body = json.dumps({"input": said, "stream": True, "agent_session_id": session})
    headers = {"Authorization": f"Bearer {server.token('alice')}", "Content-Type": "application/json"}
    connection.request("POST", path, body, headers)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def test_on_the_wire_a_stream_has_these_headers_and_frames(server, agent, session):
    with on_the_wire(server, agent, session, "three words") as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
        assert answer.headers["x-agent-session-id"] == session
        *frames, rest = answer.read().decode().split("\n\n")
    assert rest == ""
    frames = [frame for frame in frames if not frame.startswith(":")]
    for number, frame in enumerate(frames):
        named, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert (named, event["sequence_number"]) == (f"event: {event['type']}", number)
        # Clients take a top-level `error` for the end of everything.
        assert "error" not in event


def test_a_comment_keeps_a_silent_stream_alive(server, agent, session):
    with on_the_wire(server, agent, session, "hang at once") as answer:
        lines = (answer.readline() for _ in range(100))
        assert next(line for line in lines if line.startswith(b":")) == b": keep-alive\n"
        assert answer.readline() == b"\n"
