"""Requests for responses that are refused: status, code, message and parameter as the vendor's runtime answers them."""

import pytest
from azure_wire import raw

MALFORMED = "resp_too_short"
UNKNOWN = "caresp_" + "0" * 16 + "00" + "A" * 32
CREATE = [
    (b"{not json", "invalid_request_error", None, None),
    (b"[]", "invalid_request", "request body must be a JSON object", None),
    ({"input": 5}, "invalid_request", "request body failed schema validation", None),
    (
        {"input": "x", "background": True, "store": False},
        "unsupported_parameter",
        "background=true requires store=true",
        "background",
    ),
    ({"input": "x", "stream_options": {}}, "invalid_mode", "stream_options requires stream=true", "stream"),
    (
        {"input": "x", "previous_response_id": MALFORMED},
        "invalid_parameters",
        "Malformed identifier.",
        "previous_response_id",
    ),
    ({"input": "x", "metadata": {f"k{n}": "v" for n in range(17)}}, None, None, "metadata"),
]


@pytest.fixture(params=["/openai/v1", "/agents/{agent}/endpoint/protocols/openai"])
def base(request, agent) -> str:
    return request.param.format(agent=agent)


def error_of(answer, status: int) -> dict:
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    error = answer.json["error"]
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(("body", "code", "message", "param"), CREATE)
def test_a_creation_is_refused(server, base, agent, body, code, message, param):
    if isinstance(body, dict):
        body = body | {"agent_reference": {"type": "agent_reference", "name": agent}}
    error = error_of(raw(server, "POST", f"{base}/responses", body), 400)
    assert error["param"] == param
    assert code is None or error["code"] == code
    assert message is None or error["message"] == message


def test_a_wrong_type_is_told_in_detail(server, base, agent):
    body = {"input": 5, "agent_reference": {"type": "agent_reference", "name": agent}}
    error = error_of(raw(server, "POST", f"{base}/responses", body), 400)
    detail = {"message": "Expected one of: string, array; got integer", "param": "$.input"}
    assert error["details"] == [{"code": "invalid_value", "type": "invalid_request_error"} | detail]


def operations(identifier: str) -> list[tuple[str, str]]:
    path = f"/responses/{identifier}"
    return [("GET", path), ("DELETE", path), ("POST", f"{path}/cancel"), ("GET", f"{path}/input_items")]


@pytest.mark.parametrize(("method", "path"), operations(MALFORMED))
def test_a_malformed_id_is_refused(server, base, method, path):
    error = error_of(raw(server, method, base + path), 400)
    named = (error["code"], error["message"], error["param"])
    assert named == ("invalid_parameters", "Malformed identifier.", f"responseId{{{MALFORMED}}}")


@pytest.mark.parametrize(("method", "path"), operations(UNKNOWN))
def test_an_unknown_id_is_not_found(server, base, method, path):
    error = error_of(raw(server, method, base + path), 404)
    named = (error["code"], error["message"], error["param"])
    assert named == ("invalid_request_error", f"Response with id '{UNKNOWN}' not found.", "response_id")


@pytest.mark.parametrize(
    ("query", "message", "param"),
    [
        ("limit=0", "limit must be between 1 and 100", "limit"),
        ("limit=101", "limit must be between 1 and 100", "limit"),
        ("limit=ten", "limit must be an integer between 1 and 100", "limit"),
        ("order=up", "order must be 'asc' or 'desc'", "order"),
    ],
)
def test_questions_for_input_items_are_refused(server, base, agent, query, message, param):
    body = {"input": "three words", "agent_reference": {"type": "agent_reference", "name": agent}}
    made = raw(server, "POST", f"{base}/responses", body).json["id"]
    error = error_of(raw(server, "GET", f"{base}/responses/{made}/input_items?{query}"), 400)
    assert (error["code"], error["message"], error["param"]) == ("invalid_request_error", message, param)


def test_an_api_version_is_asked_for_below_agents_only(server, agent):
    for path in (f"/agents/{agent}", f"/agents/{agent}/endpoint/protocols/openai/responses/{UNKNOWN}"):
        missing = raw(server, "GET", path, version=None)
        error = missing.json["error"]
        assert (missing.status, error["code"]) == (400, "BadRequest")
        assert error["message"] == "Missing required query parameter: api-version"
        unknown = raw(server, "GET", path, version="v99")
        assert (unknown.status, unknown.json["error"]["code"]) == (400, "UnsupportedApiVersion")
    assert raw(server, "GET", f"/agents/{agent}", version="2025-11-15-preview").status == 200
    assert raw(server, "GET", "/openai/v1/responses", version=None).status == 200
