"""The invocations protocol, which passes through to the container."""

from uuid import uuid4

import pytest
from sides import Side

INVOCATIONS = "/endpoint/protocols/invocations"


@pytest.fixture
def invocations(agent: Side) -> Side:
    return agent.below(INVOCATIONS)


def test_any_body_goes_and_any_answer_comes(invocations: Side, asked):
    session = f"session-{uuid4().hex}"
    mark = uuid4().hex
    headers = {"content-type": "text/plain", "x-client-mark": mark, "cookie": "secret=1"}
    answer = invocations.request("POST", "", b"hello", headers=headers, agent_session_id=session)
    assert answer.status == 202, answer.body
    assert answer.json["said"] == "hello"
    assert answer.json["session"] == answer.headers["x-agent-session-id"] == session
    assert answer.headers["x-agent-own"] == "yes"
    assert answer.headers["x-agent-invocation-id"]
    [request] = asked(mark)
    assert request["headers"]["content-type"] == "text/plain"
    assert request["headers"]["x-agent-user-id"] and request["headers"]["x-agent-foundry-call-id"]
    assert "cookie" not in request["headers"] and "authorization" not in request["headers"]


def test_a_session_is_made_and_used_again(agent: Side, invocations: Side):
    first = invocations.request("POST", "", b"hello")
    session = first.headers["x-agent-session-id"]
    found = agent.request("GET", f"/endpoint/sessions/{session}")
    assert (found.status, found.json["status"]) == (200, "active")
    second = invocations.request("POST", "", b"again", agent_session_id=session)
    assert second.json["process"] == first.json["process"]


def test_a_stream_passes_as_it_comes(invocations: Side):
    headers = {"content-type": "text/event-stream"}
    answer = invocations.request("POST", "", b"one two three", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body == b"data: one \n\ndata: two \n\ndata: three\n\n"


def test_an_invocation_is_looked_at_and_cancelled(invocations: Side):
    made = invocations.request("POST", "", b"hello").headers["x-agent-invocation-id"]
    assert invocations.request("GET", f"/{made}").json == {"looked": made}
    assert invocations.request("POST", f"/{made}/cancel").json == {"cancelled": made}


def test_there_is_no_description(invocations: Side):
    answer = invocations.request("GET", "/docs/openapi.json")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


def test_an_agent_without_a_container_has_none(new_agent):
    elsewhere = new_agent("scripted").below(INVOCATIONS)
    for method, path in [("POST", ""), ("GET", "/some-id"), ("POST", "/some-id/cancel"), ("GET", "/docs/openapi.json")]:
        answer = elsewhere.request(method, path)
        assert (answer.status, answer.json["error"]["code"]) == (501, "not_implemented"), path


def test_malformed_sessions_are_refused(invocations: Side):
    answer = invocations.request("POST", "", b"hello", agent_session_id="a b")
    assert (answer.status, answer.json["error"]["param"]) == (400, "agent_session_id")


def test_unknown_agents_are_not_found(project: Side):
    answer = project.request("POST", "/agents/nobody" + INVOCATIONS, b"hello")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


def test_a_container_that_is_away_is_told_of(new_agent):
    answer = new_agent("away").below(INVOCATIONS).request("POST", "", b"hello")
    assert (answer.status, answer.json["error"]["code"]) == (503, "model_unavailable")
