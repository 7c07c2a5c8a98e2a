"""Responses of an agent in a container: what it says comes through, and what it is told."""

from uuid import uuid4

import pytest
from compare import Names
from sides import Reply, Side
from wire import until

TOOLS = [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}]


def kinds(events: list[dict]) -> list[str]:
    return [event["type"] for event in events]


def said(events: list[dict]) -> list[str]:
    return [event["delta"] for event in events if "delta" in event]


def told(reply: Reply) -> list[dict]:
    """The events of the items in a stream, but for the agent that they name."""
    names = Names()
    events = [names.plain(event) for event in reply.events if "response" not in event]
    for event in events:
        event.get("item", {}).pop("agent_reference", None)
    return events


def text_of(response: dict) -> str:
    return response["output"][-1]["content"][0]["text"]


@pytest.mark.parametrize("words", ["three words", "slow", "weather", "think", "refuse", "cut off"])
def test_a_stream_is_the_container_s(responses: Side, direct: Side, words: str):
    through = responses.create(words, stream=True, tools=TOOLS).events
    own = direct.create(words, stream=True, tools=TOOLS).events
    assert kinds(through) == kinds(own)
    assert said(through) == said(own)
    assert [event["sequence_number"] for event in through] == list(range(len(own)))


@pytest.mark.parametrize("words", ["search", "run code", "draw", "ask a server", "a tool of another kind"])
def test_what_the_container_does_by_itself_is_shown(responses: Side, direct: Side, words: str):
    assert told(responses.create(words, stream=True)) == told(direct.create(words, stream=True))


def test_a_stream_comes_while_the_container_speaks(responses: Side):
    running = responses.began("hang", "one two ")
    assert responses.get(running).json["status"] == "in_progress"
    assert responses.cancel(running).json["status"] == "cancelled"


def test_an_answer_in_one_piece(responses: Side):
    made = responses.create("three words")
    assert made.status == 200, made.body
    assert text_of(made.json) == "one two three"
    assert made.json["usage"]["total_tokens"] == 10
    assert text_of(responses.get(made.id).json) == "one two three"


def test_in_the_background(responses: Side):
    made = responses.create("slow", background=True)
    assert made.json["status"] in ("queued", "in_progress")
    assert text_of(responses.ended(made.id).json) == "one two three four five six seven eight"


def test_a_chain_has_its_history(responses: Side):
    first = responses.create("hello")
    second = responses.create("what did I say?", previous_response_id=first.id)
    assert text_of(second.json) == "hello|You said: hello"
    assert second.json["agent_session_id"] == first.json["agent_session_id"]


def test_a_function_call_is_answered_by_the_caller(responses: Side):
    called = responses.create("weather", tools=TOOLS)
    [call] = called.json["output"]
    assert (call["type"], call["name"], call["call_id"]) == ("function_call", "get_weather", "call_1")
    output = [{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}]
    assert text_of(responses.create(output, previous_response_id=called.id).json) == "It is sunny."


@pytest.mark.parametrize("words", ["break before anything", "break after two words"])
def test_a_failure_of_the_container_fails_the_response(responses: Side, words: str):
    made = responses.create(words, background=True)
    ended = responses.ended(made.id).json
    assert (ended["status"], ended["output"], ended["error"]["code"]) == ("failed", [], "server_error")
    assert text_of(responses.create("three words").json) == "one two three"


def test_the_container_is_told_who_asks_for_what(responses: Side, asked):
    mark = uuid4().hex
    made = responses.create("three words", headers={"x-client-mark": mark, "cookie": "secret=1"})
    [request] = asked(mark)
    headers = request["headers"]
    assert (request["method"], request["path"]) == ("POST", "/responses")
    assert headers["x-agent-response-id"] == made.id
    assert headers["x-agent-user-id"]
    assert headers["x-agent-foundry-call-id"]
    assert "cookie" not in headers and "authorization" not in headers
    assert headers["host"].startswith("127.0.0.1:")


def test_a_user_is_told_from_another(responses: Side, asked):
    users = []
    for user in ("ann", "ben"):
        mark = uuid4().hex
        responses.create("three words", headers={"x-client-mark": mark, "x-ms-user-identity": user})
        [request] = asked(mark)
        users.append(request["headers"]["x-agent-user-id"])
    assert users[0] != users[1]


def test_a_session_stays_with_its_container(responses: Side, containers):
    def where(mark: str) -> int:
        return next(at for at, each in enumerate(containers) if mark in str(each.asked()))

    homes = set()
    for _ in range(24):
        session = f"session-{uuid4().hex}"
        marks = [uuid4().hex for _ in range(3)]
        for mark in marks:
            made = responses.create("three words", agent_session_id=session, headers={"x-client-mark": mark})
            assert made.status == 200, made.body
        homes |= {at := where(marks[0])}
        assert [where(mark) for mark in marks] == [at] * 3
    assert homes == {0, 1}


def test_cancel_reaches_the_container(responses: Side, containers):
    running = responses.began("hang", "one two ")
    assert responses.cancel(running).json["status"] == "cancelled"
    until(lambda: any(running in each.cancelled() for each in containers), "the end of the container's work")


def test_who_leaves_a_foreground_stream_ends_the_container_s_work(responses: Side, containers):
    running = responses.began("hang", "one two ", background=False)
    until(lambda: any(running in each.cancelled() for each in containers), "the end of the container's work")


def test_a_container_that_is_away_is_told_of_at_once(new_agent):
    away = new_agent("away").below("/endpoint/protocols/openai")
    answer = away.create("three words")
    assert (answer.status, answer.json["error"]["code"]) == (503, "model_unavailable")
    ended = away.ended(away.create("three words", background=True).id).json
    assert (ended["status"], ended["error"]["code"]) == ("failed", "model_unavailable")
