"""The documented errors with their codes, and the order in which they are found."""

import pytest
from sederunt import Server
from vectara_wire import SMALLEST, made, raw, refused


@pytest.fixture
def list_path(agent: str) -> str:
    return f"/agents/{agent}/sessions"


def test_a_request_that_cannot_be_read_is_invalid(server: Server, list_path: str):
    for field, value in (("limit", "0"), ("limit", "x"), ("page_key", "%25"), ("enabled", "1")):
        refused(raw(server, "GET", f"{list_path}?{field}={value}"), 400, "invalid_request", field)
    answer = raw(server, "POST", list_path, b"{", headers={"Content-Type": "application/json"})
    refused(answer, 400, "invalid_request")
    refused(raw(server, "POST", list_path, []), 400, "invalid_request")


def test_who_shows_no_credential_is_unauthorized(server: Server, list_path: str):
    refused(raw(server, "GET", list_path, token=None), 401, "unauthorized")
    for headers in (
        {"x-api-key": "zut_invalid"},
        {"Authorization": "Bearer zut_invalid"},
        # The Bearer decides where both come.
        {"Authorization": "Bearer zut_invalid", "x-api-key": server.token("alice")},
    ):
        refused(raw(server, "GET", list_path, token=None, headers=headers), 401, "unauthorized")
    both = {"Authorization": f"Bearer {server.token('alice')}", "x-api-key": "zut_invalid"}
    assert raw(server, "GET", list_path, token=None, headers=both).status == 200


def test_who_lacks_the_role_is_forbidden(server: Server, list_path: str):
    key = made(server, "/api_keys", {"name": "talker", "api_roles": ["agent_user"]})["secret_key"]
    answer = raw(server, "GET", list_path, token=None, headers={"x-api-key": key})
    error = refused(answer, 403, "forbidden")
    assert "field_errors" not in error
    # An agent that is not there is found missing before a role is.
    answer = raw(server, "GET", "/agents/agt_nobody/sessions", token=None, headers={"x-api-key": key})
    refused(answer, 404, "agent_not_found")


def test_an_unknown_agent_is_not_found(server: Server):
    error = refused(raw(server, "GET", "/agents/agt_nobody/sessions"), 404, "agent_not_found")
    assert error["id"] == "agt_nobody"


def test_who_asks_too_often_is_told_when_to_come_back():
    with Server(environment={"SEDERUNT_HTTP_RATES_PER_MINUTE": "2"}) as small:
        answers = [raw(small, "GET", "/agents/echo/sessions") for _ in range(8)]
        limited = next(answer for answer in answers if answer.status == 429)
        refused(limited, 429, "rate_limit_exceeded")
        assert int(limited.headers["retry-after"]) >= 1


def test_there_is_no_other_path_and_no_other_method(server: Server, list_path: str):
    assert raw(server, "GET", "/nothing/here").status == 404
    answer = raw(server, "PUT", list_path, {})
    assert answer.status == 405 and answer.json["messages"]


def test_a_taken_key_is_taken(server: Server, agent: str, list_path: str):
    made(server, list_path, {"key": "one"})
    refused(raw(server, "POST", list_path, {"key": "one"}), 409, "session_exists")
    # The old name of the key, too.
    refused(raw(server, "POST", list_path, {"id": "one"}), 409, "session_exists")
    refused(raw(server, "POST", "/agents", SMALLEST | {"key": agent}), 409, "agent_exists")


def test_no_body_is_an_empty_one_and_a_read_may_claim_a_type(server: Server, list_path: str):
    assert made(server, list_path, None)["status"] == "unstarted"
    claims = {"Content-Type": "application/json"}
    (session,) = raw(server, "GET", list_path, headers=claims).json["sessions"]
    answer = raw(server, "DELETE", f"{list_path}/{session['key']}", headers=claims)
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("name", ["Request-Timeout", "Request-Timeout-Millis"])
def test_a_time_limit_must_be_one(server: Server, agent: str, session: str, name: str):
    path = f"/agents/{agent}/sessions/{session}/events"
    body = {"messages": [{"content": "three words"}]}
    for value in ("0", "-1", "soon", "1.5"):
        refused(raw(server, "POST", path, body, headers={name: value}), 400, "invalid_request")
    assert raw(server, "POST", path, body, headers={name: "9000"}).status == 201


def test_what_takes_too_long_is_told_so(server: Server, agent: str, session: str):
    path = f"/agents/{agent}/sessions/{session}/events"
    headers = {"Request-Timeout": "60", "Request-Timeout-Millis": "200"}
    refused(raw(server, "POST", path, {"messages": [{"content": "hang"}]}, headers=headers), 408, "request_timeout")


def test_agents_that_cannot_be_are_named_with_their_code(server: Server):
    def step(**more):
        return {"first_step": SMALLEST["first_step"] | more}

    for change, code in (
        (step(allowed_tools=["none"]), "invalid_tool_reference"),
        (step(instructions=[{"type": "reference", "id": "ins_nothing"}]), "invalid_instruction_reference"),
        (step(next_steps=[{"step_name": "none"}]), "invalid_request"),
        ({"name": ""}, "invalid_request"),
        ({"name": "n" * 51}, "invalid_request"),
        ({"key": "not a key"}, "invalid_request"),
    ):
        refused(raw(server, "POST", "/agents", SMALLEST | change), 400, code)
    for missing in ("name", "model", "first_step"):
        body = {name: value for name, value in SMALLEST.items() if name != missing}
        assert raw(server, "POST", "/agents", body).status == 400, missing
