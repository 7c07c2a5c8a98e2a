"""Function tools: calls go to the caller, and the response goes on with their outputs."""

import json

from openai import APIStatusError

TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


def output(call, value: str) -> dict:
    return {"type": "function_call_output", "call_id": call.call_id, "output": value}


def test_a_call_is_returned_and_its_output_continues_the_response(talk):
    asked = talk.responses.create(input="weather in Paris", tools=[TOOL])
    (call,) = asked.output
    assert (asked.status, call.type, call.status, call.name) == (
        "completed",
        "function_call",
        "completed",
        "get_weather",
    )
    assert call.id.startswith("fc_") and call.call_id
    assert json.loads(call.arguments) == {"city": "Paris"}
    said = talk.responses.create(previous_response_id=asked.id, input=[output(call, "sunny")], tools=[TOOL])
    assert said.output_text == "It is sunny."
    assert said.agent_session_id == asked.agent_session_id


def test_calls_of_one_group_are_returned_together(talk):
    asked = talk.responses.create(input="weather in both", tools=[TOOL])
    here, there = asked.output
    assert here.call_id != there.call_id
    outputs = [output(there, "rainy"), output(here, "sunny")]
    said = talk.responses.create(previous_response_id=asked.id, input=outputs)
    assert said.output_text == "there: rainy. here: sunny. "


def test_a_conversation_carries_calls_and_outputs(talk):
    conversation = talk.conversations.create().id
    (call,) = talk.responses.create(input="weather in Paris", conversation=conversation).output
    said = talk.responses.create(input=[output(call, "sunny")], conversation=conversation)
    assert said.output_text == "It is sunny."
    items = talk.conversations.items.list(conversation, order="asc")
    assert [item.type for item in items] == ["message", "function_call", "function_call_output", "message"]


def test_a_call_may_be_answered_without_stored_state(talk):
    (call,) = talk.responses.create(input="weather in Paris", store=False).output
    history = [
        {"role": "user", "content": "weather in Paris"},
        call.model_dump(exclude_none=True),
        output(call, "sunny"),
    ]
    assert talk.responses.create(input=history, store=False).output_text == "It is sunny."


def test_calls_without_outputs_poison_nothing(talk):
    conversation = talk.conversations.create().id
    (call,) = talk.responses.create(input="weather in Paris", conversation=conversation).output
    try:
        talk.responses.create(input="three words", conversation=conversation)
    except APIStatusError as refusal:
        assert refusal.status_code == 400
    said = talk.responses.create(
        input=[output(call, "sunny"), {"role": "user", "content": "three words"}], conversation=conversation
    )
    assert said.output_text == "one two three"
