"""Responses in the background: reading, replay, cancelling, deleting while they run."""

import json

import pytest
from openai import APIStatusError
from wire import connect, until


def ended(talk, identifier: str):
    """The response once it has ended."""

    def look():
        response = talk.responses.retrieve(identifier)
        return response if response.status not in ("queued", "in_progress") else None

    return until(look, f"the end of {identifier}")


def refusal_of(call) -> tuple:
    with pytest.raises(APIStatusError) as refusal:
        call()
    error = refusal.value
    return error.status_code, error.code, error.body["message"], error.param


def numbers(events) -> list[int]:
    return [event.sequence_number for event in events]


def test_a_response_runs_on_by_itself(talk):
    started = talk.responses.create(input="slow", background=True)
    assert (started.status, started.background, started.output) == ("in_progress", True, [])
    assert talk.responses.retrieve(started.id).status in ("in_progress", "completed")
    done = ended(talk, started.id)
    assert (done.status, done.background, done.output_text) == (
        "completed",
        True,
        "one two three four five six seven eight",
    )


def test_a_response_that_fails_says_why(talk):
    failed = ended(talk, talk.responses.create(input="fault failed", background=True).id)
    assert (failed.status, failed.output, failed.error.code) == ("failed", [], "server_error")
    assert failed.error.message


def test_a_cancelled_response_is_empty_and_stays_so(talk):
    started = talk.responses.create(input="hang", background=True)
    for _ in range(2):
        cancelled = talk.responses.cancel(started.id)
        assert (cancelled.id, cancelled.status, cancelled.output) == (started.id, "cancelled", [])
    assert talk.responses.retrieve(started.id).status == "cancelled"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("three words", "Cannot cancel a completed response."),
        ("fault failed", "Cannot cancel a failed response."),
        ("cut", "Cannot cancel a response in terminal state."),
    ],
)
def test_what_has_ended_cannot_be_cancelled(talk, said, message):
    identifier = talk.responses.create(input=said, background=True).id
    ended(talk, identifier)
    assert refusal_of(lambda: talk.responses.cancel(identifier)) == (
        400,
        "invalid_request_error",
        message,
        "response_id",
    )


def test_a_response_that_was_waited_for_cannot_be_cancelled(talk):
    identifier = talk.responses.create(input="three words").id
    refusal = (400, "invalid_request_error", "Cannot cancel a synchronous response.", "response_id")
    assert refusal_of(lambda: talk.responses.cancel(identifier)) == refusal


def test_a_running_response_is_not_deleted(talk):
    identifier = talk.responses.create(input="hang", background=True).id
    refusal = (400, "invalid_request_error", "Cannot delete an in-flight response.", "response_id")
    assert refusal_of(lambda: talk.responses.delete(identifier)) == refusal
    talk.responses.cancel(identifier)
    assert talk.responses.delete(identifier) is None


def test_a_stream_is_replayed_from_any_event(talk):
    events = list(talk.responses.create(input="three words", background=True, stream=True))
    identifier = events[0].response.id
    again = list(talk.responses.retrieve(identifier, stream=True))
    assert [event.model_dump() for event in again] == [event.model_dump() for event in events]
    for after in (0, 4, len(events) - 2):
        rest = talk.responses.retrieve(identifier, stream=True, starting_after=after)
        assert numbers(rest) == list(range(after + 1, len(events)))
    assert list(talk.responses.retrieve(identifier, stream=True, starting_after=len(events))) == []


def test_the_helper_follows_a_response_by_its_id(talk):
    events = list(talk.responses.create(input="three words", background=True, stream=True))
    with talk.responses.stream(response_id=events[0].response.id, starting_after=3) as rest:
        assert rest.get_final_response().output_text == "one two three"


def test_a_response_outlives_the_client_that_started_it(talk):
    with talk.responses.create(input="slow", background=True, stream=True) as events:
        created = next(iter(events))
    followed = list(talk.responses.retrieve(created.response.id, stream=True, starting_after=0))
    assert numbers(followed) == list(range(1, len(followed) + 1))
    assert followed[-1].type == "response.completed"
    assert followed[-1].response.output_text == "one two three four five six seven eight"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "This response cannot be streamed because it was not created with background=true"),
        ({"background": True}, "This response cannot be streamed because it was not created with stream=true"),
    ],
)
def test_only_streams_in_the_background_are_replayed(talk, how, message):
    identifier = talk.responses.create(input="three words", **how).id
    if how:
        ended(talk, identifier)
    status, code, said, param = refusal_of(lambda: list(talk.responses.retrieve(identifier, stream=True)))
    assert (status, code, param) == (400, "invalid_request_error", "stream")
    assert said.startswith(message)


def test_a_cancelled_stream_is_not_replayed(talk):
    with talk.responses.create(input="hang", background=True, stream=True) as events:
        identifier = next(iter(events)).response.id
    talk.responses.cancel(identifier)
    status, code, message, param = refusal_of(lambda: list(talk.responses.retrieve(identifier, stream=True)))
    assert (status, code, param) == (400, "invalid_request_error", "stream")
    assert message.endswith("not created with stream=true or the stream TTL has expired.")


def test_starting_after_is_a_number(server, talk):
    identifier = list(talk.responses.create(input="three words", background=True, stream=True))[0].response.id
    path = f"/api/projects/default/openai/v1/responses/{identifier}?stream=true&starting_after=x"
    connection = connect(server)
    connection.request("GET", path, headers={"Authorization": f"Bearer {server.token('alice')}"})
    answer = connection.getresponse()
    error = json.loads(answer.read())["error"]
    connection.close()
    assert (answer.status, error["message"], error["param"]) == (
        400,
        "starting_after must be an integer",
        "starting_after",
    )


def test_stopping_a_session_ends_what_runs_in_it(talk, agents, agent):
    started = talk.responses.create(input="hang", background=True)
    assert agents.get_session(agent, started.agent_session_id).status == "active"
    agents.stop_session(agent, started.agent_session_id)
    assert ended(talk, started.id).status == "cancelled"
    assert agents.get_session(agent, started.agent_session_id).status == "idle"
