"""Exchanges that an OpenAI-compatible server answers, and the vendor's name for each way in which it fails."""

import json

import httpx
import pytest
from foundry_sdk.v2.aip_agents.errors import (
    AgentIterationsExceededLimit,
    ContextSizeExceededLimit,
    RateLimitExceeded,
    RetryAttemptsExceeded,
    RetryDeadlineExceeded,
    SessionExecutionFailed,
)
from talk import exchanges, first, new_id, say, streaming

TOOLS = """
[[tools]]
name = "lookup"
description = "Finds pumps"
arguments = { type = "object", properties = { site = { type = "string" } } }
"""


@pytest.fixture
def talk(alice, sessions, agent_on):
    """Begins a session on a model; what says something in it."""

    def begin(model: str, more: str = ""):
        agent = agent_on(model, more)
        session = sessions.create(agent).rid
        return agent, session, lambda message, **extra: say(alice, agent, session, message, **extra)

    return begin


def test_an_answer_is_read_with_its_token_counts(talk, alice):
    agent, session, tell = talk("fine")
    result = tell("good morning to you")
    assert (result.agent_markdown_response, result.total_tokens_used) == ("good morning to you", 15)
    assert exchanges(alice, agent, session) == [("good morning to you", "good morning to you")]


def test_without_token_counts_none_are_told(talk):
    assert talk("uncounted")[2]("hello").total_tokens_used is None


def test_the_upstream_is_sent_the_whole_line(talk):
    tell = talk("history", 'instructions = "You know pumps."\n')[2]
    assert tell("one").agent_markdown_response == "2 messages: You know pumps. | one"
    assert tell("two").agent_markdown_response == (
        "4 messages: You know pumps. | one | 2 messages: You know pumps. | one | two"
    )


def test_the_upstream_is_sent_model_key_and_tools(talk):
    sent = json.loads(talk("settings", TOOLS)[2]("x").agent_markdown_response)
    assert sent["model"] == "settings"
    assert sent["authorization"] == "Bearer secret-of-the-upstream"
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["lookup"]
    assert sent["tools"][0]["function"]["parameters"]["properties"] == {"site": {"type": "string"}}


def test_chunks_are_passed_on_as_they_come(talk, alice, sessions):
    agent, session, _ = talk("slow")
    trace, message = new_id(), "one two three four"
    with streaming(alice, agent, session, message, session_trace_id=trace) as chunks:
        said = first(chunks, message)
        assert sessions.SessionTrace.get(agent, session, trace).status == "IN_PROGRESS"
        assert said + "".join(chunks) == message
    assert exchanges(alice, agent, session) == [(message, message)]


@pytest.mark.parametrize("model", ["busy-once", "down-once"])
def test_one_refusal_before_the_first_token_is_retried(talk, asked, model):
    message = f"hello {model}"
    assert talk(model)[2](message).agent_markdown_response == message
    assert asked(model, message) == 2


FAULTS = {
    "busy": RateLimitExceeded,
    "down": RetryAttemptsExceeded,
    "too-long": ContextSizeExceededLimit,
    "refuses": SessionExecutionFailed,
    "unauthorized": SessionExecutionFailed,
    "cut": SessionExecutionFailed,
    "unfinished": SessionExecutionFailed,
    "garbage": SessionExecutionFailed,
    "garbled": SessionExecutionFailed,
}


@pytest.mark.parametrize("model", FAULTS)
def test_a_fault_of_the_upstream_has_the_vendors_name_and_stores_nothing(talk, alice, sessions, model):
    agent, session, tell = talk(model)
    before = sessions.get(agent, session)
    with pytest.raises(FAULTS[model]) as failed:
        tell("one two three four")
    assert (failed.value.parameters["agentRid"], failed.value.parameters["sessionRid"]) == (agent, session)
    assert "secret-of-the-upstream" not in str(failed.value.parameters)
    assert sessions.get(agent, session) == before
    assert exchanges(alice, agent, session) == []


def test_the_upstreams_rate_limit_is_named_as_such_and_tried_more_than_once(talk, asked):
    with pytest.raises(RateLimitExceeded):
        talk("busy")[2]("may I?")
    assert asked("busy", "may I?") > 1


def test_a_fault_after_the_first_token_is_not_retried(talk, asked):
    with pytest.raises(SessionExecutionFailed):
        talk("cut")[2]("only once please")
    assert asked("cut", "only once please") == 1


@pytest.mark.parametrize("model", ["cut", "unfinished", "garbled"])
def test_a_stream_that_breaks_upstream_breaks_here_and_stores_nothing(talk, alice, model):
    agent, session, _ = talk(model)
    seen = []
    with pytest.raises(httpx.RemoteProtocolError):
        with streaming(alice, agent, session, "one two three four") as chunks:
            seen.extend(chunks)
    assert "one two three four".startswith("".join(seen))
    assert exchanges(alice, agent, session) == []


def test_an_answer_cut_at_its_length_is_kept(talk, alice):
    agent, session, tell = talk("length")
    assert tell("as far as it came").agent_markdown_response == "as far as it came"
    assert len(exchanges(alice, agent, session)) == 1


def test_an_upstream_that_never_answers_meets_the_turns_deadline(talk):
    with pytest.raises(RetryDeadlineExceeded):
        talk("silent", "[limits]\nturn_timeout = 1\n")[2]("hello?")


def test_a_tool_call_stands_in_the_trace_and_its_result_goes_back(talk, sessions):
    agent, session, tell = talk("tools", TOOLS)
    result = tell("which pumps?")
    assert result.agent_markdown_response.startswith("the tool said: ")
    groups = sessions.SessionTrace.get(agent, session, result.session_trace_id).tool_call_groups
    call = groups[0].tool_calls[0]
    assert (len(groups), call.tool_metadata.name, call.tool_metadata.type) == (1, "lookup", "FUNCTION")
    assert call.input.inputs["site"].value == "North"
    # Nothing runs this tool, which the model is told, so that it can go on.
    assert call.output.type == "failure"
    assert call.output.correction_message in result.agent_markdown_response


def test_tools_called_for_ever_meet_the_limit_of_iterations(talk):
    with pytest.raises(AgentIterationsExceededLimit):
        talk("loops", "[limits]\niterations = 3\n" + TOOLS)[2]("go")
