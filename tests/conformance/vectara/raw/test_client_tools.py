"""Tools that the caller runs."""

from typing import Any

import pytest
from sederunt import Server
from vectara_wire import got, made, raw, refused, said, streamed, text_of

TOOL = {
    "type": "client",
    "tool_id": "tol_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "output_schema": {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]},
}


@pytest.fixture
def agent(new_agent) -> str:
    return new_agent(tool_configurations={"get_weather": TOOL})


@pytest.fixture
def path(agent: str, session: str) -> str:
    return f"/agents/{agent}/sessions/{session}"


def pending(server: Server, path: str) -> list[dict[str, Any]]:
    return got(server, f"{path}/outstanding_client_tool_calls")["client_tool_calls"]


def outputs(*given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_output", "tool_outputs": list(given)}


def success(call: dict[str, Any], sky: str) -> dict[str, Any]:
    return {"type": "success", "event_id": call["event_id"], "output": {"sky": sky}}


def test_a_call_waits_for_its_output_and_goes_on_with_it(server: Server, agent: str, session: str, path: str):
    assert pending(server, path) == []
    events = said(server, agent, session, "weather in Oslo")
    assert [event["type"] for event in events] == ["input_message", "tool_input"]
    (call,) = pending(server, path)
    assert call == {
        "event_id": events[1]["id"],
        "tool_configuration_name": "get_weather",
        "tool_name": "get_weather",
        "arguments": {"city": "Oslo"},
    }
    assert got(server, path)["status"] == "stopped"
    after = made(server, f"{path}/events", outputs(success(call, "bright 🌞")))["events"]
    assert [event["type"] for event in after] == ["tool_output", "agent_output"]
    assert after[0]["tool_call_id"] == events[1]["tool_call_id"]
    assert (after[0]["tool_output"], after[0]["error"]) == ({"sky": "bright 🌞"}, False)
    assert after[1]["content"] == "It is bright 🌞."
    assert pending(server, path) == []
    listed = got(server, f"{path}/events")["events"]
    assert listed == events + after


def test_a_failed_tool_says_why(server: Server, agent: str, session: str, path: str):
    said(server, agent, session, "weather in Oslo")
    (call,) = pending(server, path)
    failed = {"type": "error", "event_id": call["event_id"], "error": "no such city"}
    after = made(server, f"{path}/events", outputs(failed))["events"]
    assert after[0]["error"] is True and after[1]["content"] == "Unknown: no such city"


def test_a_stream_tells_of_the_call_and_does_not_keep_that(server: Server, agent: str, session: str, path: str):
    frames = streamed(server, agent, session, {"messages": [{"content": "weather in both"}]})
    kinds = [frame["type"] for frame in frames]
    assert kinds.count("tool_input") == 2
    (told,) = [frame for frame in frames if frame["type"] == "client_tool_pending"]
    assert kinds.index("client_tool_pending") > kinds.index("tool_input")
    assert told["pending_calls"] == pending(server, path)
    listed = [event["type"] for event in got(server, f"{path}/events")["events"]]
    assert listed == ["input_message", "tool_input", "tool_input"]
    both = outputs(*(success(call, call["arguments"]["city"].upper()) for call in told["pending_calls"]))
    assert text_of(streamed(server, agent, session, both)) == "here: HERE. there: THERE. "


def test_all_outputs_come_at_once_and_have_their_form(server: Server, agent: str, session: str, path: str):
    events = f"{path}/events"
    said(server, agent, session, "weather in both")
    first, second = pending(server, path)
    wrong = {"type": "success", "event_id": first["event_id"], "output": {"sky": 7}}
    for given in (
        outputs(success(first, "x")),
        outputs(wrong, success(second, "x")),
        outputs(success(first, "x"), success(first, "x")),
        outputs(success(first, "x"), success(second | {"event_id": "aev_nothing"}, "x")),
        outputs(),
    ):
        assert raw(server, "POST", events, given).status == 400
    assert len(pending(server, path)) == 2
    made(server, events, outputs(success(first, "x"), success(second, "y")))


def test_an_output_for_which_nothing_waits_is_refused(server: Server, path: str):
    given = outputs({"type": "success", "event_id": "aev_nothing", "output": {}})
    refused(raw(server, "POST", f"{path}/events", given), 400, "invalid_request")


def test_the_agent_comes_back_with_its_tool(server: Server, agent: str):
    assert got(server, f"/agents/{agent}")["tool_configurations"] == {"get_weather": TOOL}
