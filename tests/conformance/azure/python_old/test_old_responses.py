"""The preview releases: responses and conversations with their generation of the openai package."""

import json

import pytest
from openai import APIStatusError, ConflictError, NotFoundError
from project import openai
from wire import until


def test_a_response_runs_in_the_session_that_is_named(talk, session):
    said = talk.responses.create(input="three words", extra_body={"agent_session_id": session})
    assert (said.output_text, said.agent_session_id) == ("one two three", session)
    assert talk.responses.retrieve(said.id).output_text == "one two three"
    (item,) = talk.responses.input_items.list(said.id)
    assert item.content[0].text == "three words"
    assert talk.responses.delete(said.id) is None
    with pytest.raises(NotFoundError):
        talk.responses.retrieve(said.id)


@pytest.mark.parametrize("said", ["three words", "think", "refuse", "weather in both"])
def test_streams_and_their_helper_end(talk, said):
    events = list(talk.responses.create(input=said, stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    with talk.responses.stream(model="scripted", input=said) as stream:
        assert stream.get_final_response().status == "completed"


def test_a_function_call_is_continued(talk):
    asked = talk.responses.create(input="weather in Paris")
    (call,) = asked.output
    assert json.loads(call.arguments) == {"city": "Paris"}
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    assert talk.responses.create(previous_response_id=asked.id, input=[output]).output_text == "It is sunny."


def test_a_conversation_keeps_what_was_said(talk):
    conversation = talk.conversations.create(metadata={"a": "1"})
    talk.responses.create(input="three words", conversation=conversation.id)
    with pytest.raises(APIStatusError):
        talk.responses.create(input="fault failed", conversation=conversation.id)
    said = talk.responses.create(input="what did I say?", conversation=conversation.id)
    assert said.output_text == "user: three words\nagent: one two three\n"
    assert len(list(talk.conversations.items.list(conversation.id, limit=2))) == 4
    assert talk.conversations.update(conversation.id, metadata={}).metadata == {}
    assert talk.conversations.delete(conversation.id).deleted


def test_a_response_in_the_background_is_replayed_and_cancelled(talk):
    events = list(talk.responses.create(input="three words", background=True, stream=True))
    rest = talk.responses.retrieve(events[0].response.id, stream=True, starting_after=3)
    assert [event.sequence_number for event in rest] == list(range(4, len(events)))
    hanging = talk.responses.create(input="hang", background=True)
    assert talk.responses.cancel(hanging.id).status == "cancelled"
    slow = talk.responses.create(input="short pause", background=True)
    until(lambda: talk.responses.retrieve(slow.id).status == "completed", "the end of the response")


def test_a_locked_conversation_is_not_tried_again(talk):
    conversation = talk.conversations.create().id
    running = talk.responses.create(input="hang", conversation=conversation, background=True)
    with pytest.raises(ConflictError) as refusal:
        talk.with_options(max_retries=2).responses.create(input="x", conversation=conversation)
    assert refusal.value.request.headers["x-stainless-retry-count"] == "0"
    talk.responses.cancel(running.id)


def test_the_project_has_the_same_responses(alice, talk, agent):
    with openai(alice) as project:
        reference = {"agent_reference": {"type": "agent_reference", "name": agent}}
        said = project.responses.create(input="three words", extra_body=reference)
        assert talk.responses.retrieve(said.id).output_text == "one two three"
