"""One session through the APIs of three vendors, by their own SDKs."""

import json

import pytest
from azure.core.exceptions import ResourceNotFoundError
from foundry_sdk.v2.aip_agents.errors import SessionNotFound
from sederunt import Server
from vectara import NotFoundError
from vectara_clients import Talk
from vectara_wire import SMALLEST, made

TOOL = {
    "type": "client",
    "tool_id": "tol_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def test_a_session_goes_through_three_vendors_hands(server: Server, vectara, project, openai, palantir):
    # The SDK has no word for tools that the caller runs.
    made(server, "/agents", SMALLEST | {"key": "clerk", "tool_configurations": {"get_weather": TOOL}})
    vectara.agent_sessions.create("clerk", key="monday", name="The sitting of Monday", metadata={"room": 3})
    talk = Talk(vectara, "clerk", "monday")
    hello = talk.answer("Who sits today?")
    assert "Who sits today?" in hello

    responses = openai("clerk").responses
    asked = responses.create(input="weather in Oslo", extra_body={"agent_session_id": "monday"})
    (call,) = asked.output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", {"city": "Oslo"})
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "bright 🌞"}
    told = responses.create(input=[output], previous_response_id=asked.id)
    assert told.output_text == "It is bright 🌞." and told.agent_session_id == "monday"

    agent = json.loads(server.cli("agent", "show", "clerk", "--json"))["rid"]
    (seen,) = palantir.Session.list(agent)
    assert seen.metadata.title == "The sitting of Monday"
    goes_on = palantir.Session.blocking_continue(
        agent, seen.rid, user_input={"text": "And tomorrow?"}, parameter_inputs={}
    )
    assert "And tomorrow?" in goes_on.agent_markdown_response
    content = palantir.Session.Content.get(agent, seen.rid)
    inputs = [exchange.user_input.text for exchange in content.exchanges]
    assert inputs[:2] == ["Who sits today?", "weather in Oslo"] and inputs[-1] == "And tomorrow?"

    # All of it is one record.
    events = talk.list()
    kinds = ["input_message", "agent_output"]
    tool = ["input_message", "tool_input", "tool_output", "agent_output"]
    assert [event.type for event in events] == [*kinds, *tool, *kinds]
    assert [event.content for event in events if event.type == "agent_output"] == [
        hello,
        "It is bright 🌞.",
        goes_on.agent_markdown_response,
    ]
    assert [session.key for session in vectara.agent_sessions.list("clerk")] == ["monday"]
    assert [session.agent_session_id for session in project.agents.list_sessions("clerk")] == ["monday"]
    assert [session.rid for session in palantir.Session.list(agent)] == [seen.rid]

    fork = vectara.agent_sessions.create("clerk", key="fork", from_session={"session_key": "monday"})
    forked = Talk(vectara, "clerk", fork.key)
    assert [event.type for event in forked.list()] == [event.type for event in events]

    palantir.Session.delete(agent, seen.rid)
    with pytest.raises(SessionNotFound):
        palantir.Session.get(agent, seen.rid)
    with pytest.raises(ResourceNotFoundError):
        project.agents.get_session("clerk", "monday")
    with pytest.raises(NotFoundError):
        vectara.agent_sessions.get("clerk", "monday")
    assert [session.key for session in vectara.agent_sessions.list("clerk")] == ["fork"]
    assert [session.agent_session_id for session in project.agents.list_sessions("clerk")] == ["fork"]
    assert len(palantir.Session.list(agent).data) == 1
    assert "Still here?" in forked.answer("Still here?")
