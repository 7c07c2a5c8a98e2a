"""What SDKs will not send: the gate, credentials, bodies, paths and methods, as raw requests."""

import json
import re

import pytest
from talk import NO_AGENT, NO_SESSION, PREFIX, connect, exchanges, new_id, request


def blocking(agent: str, session: str) -> str:
    return f"/agents/{agent}/sessions/{session}/blockingContinue?preview=true"


HELLO = {"userInput": {"text": "hello"}}

OPERATIONS = [
    ("GET", "/agents/{a}", None),
    ("GET", "/agents/allSessions", None),
    ("GET", "/agents/{a}/agentVersions", None),
    ("GET", "/agents/{a}/agentVersions/1.0", None),
    ("POST", "/agents/{a}/sessions", {}),
    ("GET", "/agents/{a}/sessions", None),
    ("GET", "/agents/{a}/sessions/{s}", None),
    ("POST", "/agents/{a}/sessions/{s}/blockingContinue", HELLO),
    ("POST", "/agents/{a}/sessions/{s}/streamingContinue", HELLO),
    ("POST", "/agents/{a}/sessions/{s}/cancel", {"messageId": "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00"}),
    ("PUT", "/agents/{a}/sessions/{s}/ragContext", HELLO),
    ("PUT", "/agents/{a}/sessions/{s}/updateTitle", {"title": "x"}),
    ("GET", "/agents/{a}/sessions/{s}/content", None),
    ("GET", "/agents/{a}/sessions/{s}/sessionTraces/c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00", None),
    ("DELETE", "/agents/{a}/sessions/{s}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
def test_every_operation_wants_preview_and_a_credential(server, echo, session, method, path, body):
    path = path.format(a=echo, s=session)
    for query in ("", "?preview=false"):
        reply = request(server, method, path + query, body)
        assert reply.error(400, "INVALID_ARGUMENT", "ApiFeaturePreviewUsageOnly") == {}
    request(server, method, path + "?preview=garbage", body).error(400, "INVALID_ARGUMENT", "Default:InvalidArgument")
    # A credential is asked for before anything else is looked at.
    for query in ("", "?preview=true"):
        reply = request(server, method, path + query, body, token=None)
        assert reply.error(401, "UNAUTHORIZED", "Conjure:MissingCredentials") == {}
        reply = request(server, method, path + query, body, headers={"Authorization": "Bearer wrong"})
        assert set(reply.error(401, "UNAUTHORIZED", "Default:Unauthorized")) <= {"error"}
    reply = request(server, method, path.replace(session, NO_SESSION), body)
    reply.error(400, "INVALID_ARGUMENT", "ApiFeaturePreviewUsageOnly")


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", ""])
def test_the_word_bearer_may_be_written_anyhow_or_left_out(server, echo, scheme):
    headers = {"Authorization": scheme + server.token("alice")}
    assert request(server, "GET", f"/agents/{echo}?preview=true", headers=headers).status == 200


@pytest.mark.parametrize("value", ["Bearer a b", "Bearer söme", "Basic dTpw", "Bearer a,b", "Bearer =a"])
def test_a_credential_that_cannot_be_read_is_malformed(server, echo, value):
    reply = request(server, "GET", f"/agents/{echo}?preview=true", headers={"Authorization": value})
    assert reply.error(401, "UNAUTHORIZED", "Conjure:MalformedCredentials") == {}


def test_two_credentials_are_malformed(server, echo):
    headers = [("Authorization", f"Bearer {server.token('alice')}")] * 2
    reply = request(server, "GET", f"/agents/{echo}?preview=true", headers=headers)
    reply.error(401, "UNAUTHORIZED", "Conjure:MalformedCredentials")


def test_optional_fields_may_be_missing_or_null(server, alice, echo, session):
    nulls = {"parameterInputs": None, "contextsOverride": None, "sessionTraceId": None}
    for body in (HELLO, HELLO | {"parameterInputs": {}}, HELLO | nulls):
        assert request(server, "POST", blocking(echo, session), body).status == 200
    stream = f"/agents/{echo}/sessions/{session}/streamingContinue?preview=true"
    assert request(server, "POST", stream, HELLO | nulls | {"messageId": None}).body == b"hello"
    assert request(server, "POST", f"/agents/{echo}/sessions?preview=true", {"agentVersion": None}).status == 200


def test_the_tag_of_a_union_may_stand_anywhere(server, pumps, pump_session):
    for site in ('{"type":"string","value":"West"}', '{"value":"West","type":"string"}'):
        body = f'{{"parameterInputs":{{"site":{site}}},"userInput":{{"text":"which site"}}}}'.encode()
        reply = request(
            server, "POST", blocking(pumps, pump_session), body, headers={"Content-Type": "application/json"}
        )
        assert reply.json["agentMarkdownResponse"] == "West"
    context = {"objectRids": [], "propertyTypeRids": [], "type": "objectContext"}
    assert request(server, "POST", blocking(pumps, pump_session), HELLO | {"contextsOverride": [context]}).status == 200


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8"])
def test_every_spelling_of_the_json_type_is_taken(server, echo, session, kind):
    body = '{"userInput":{"text":"Gr\\u00fc\\u00dfe ü"}}'.encode()
    reply = request(server, "POST", blocking(echo, session), body, headers={"Content-Type": kind})
    assert reply.json["agentMarkdownResponse"] == "Grüße ü"


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "text/html", "nonsense"])
def test_accept_and_unknown_headers_do_not_matter(server, echo, accept):
    headers = {
        "Accept": accept,
        "Content-Type": "application/json",
        "Fetch-User-Agent": "osdk-client/2.22.0",
        "X-B3-TraceId": "463ac35c9f6413ad",
        "attribution": "ri.a.b.c.d",
    }
    assert request(server, "GET", f"/agents/{echo}?preview=true", headers=headers).status == 200


BROKEN = [b"{", b"nonsense", b'{"userInput":{"text":"x"}', b'{"userInput":{"text":"x"}} x', b"\xff\xfe"]


@pytest.mark.parametrize("body", BROKEN)
def test_broken_json_is_an_invalid_argument(server, echo, session, body):
    headers = {"Content-Type": "application/json"}
    reply = request(server, "POST", blocking(echo, session), body, headers=headers)
    reply.error(400, "INVALID_ARGUMENT", "Default:InvalidArgument")


MISFITS = [
    {},
    {"userInput": None},
    {"userInput": "x"},
    {"userInput": {}},
    {"userInput": {"text": None}},
    {"userInput": {"text": 5}},
    {"userInput": {"text": "x", "more": 1}},
    HELLO | {"unknown": 1},
    HELLO | {"messageId": "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00"},
    HELLO | {"parameterInputs": []},
    HELLO | {"parameterInputs": {"site": {"type": "number", "value": 5}}},
    HELLO | {"parameterInputs": {"site": {"value": "x"}}},
    HELLO | {"parameterInputs": {"site": {"type": "string"}}},
    HELLO | {"parameterInputs": {"site": {"type": "string", "value": 5}}},
    HELLO | {"parameterInputs": {"due": {"type": "objectSet", "ontology": "x", "objectSet": {"type": "nonsense"}}}},
    HELLO | {"parameterInputs": {"due": {"type": "objectSet", "ontology": "x", "objectSet": "x"}}},
    HELLO | {"contextsOverride": {}},
    HELLO | {"contextsOverride": [{"type": "nonsense"}]},
    HELLO | {"contextsOverride": [{"type": "objectContext", "objectRids": ["no rid"], "propertyTypeRids": []}]},
    HELLO | {"sessionTraceId": "no uuid"},
    HELLO | {"sessionTraceId": 5},
    [],
    "x",
    None,
]


@pytest.mark.parametrize("body", MISFITS, ids=json.dumps)
def test_json_that_does_not_fit_is_unprocessable(server, alice, pumps, pump_session, body):
    reply = request(
        server,
        "POST",
        blocking(pumps, pump_session),
        json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert reply.error(422, "INVALID_ARGUMENT", "Conjure:UnprocessableEntity") == {}
    assert exchanges(alice, pumps, pump_session) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", {"agentVersion": 1}),
        ("POST", "", {"unknown": 1}),
        ("POST", "/{s}/cancel", {}),
        ("POST", "/{s}/cancel", {"messageId": "no uuid"}),
        ("POST", "/{s}/cancel", {"messageId": None}),
        ("PUT", "/{s}/updateTitle", {}),
        ("PUT", "/{s}/updateTitle", {"title": None}),
        ("PUT", "/{s}/updateTitle", {"title": 5}),
        ("PUT", "/{s}/ragContext", {}),
        ("PUT", "/{s}/ragContext", HELLO | {"contextsOverride": []}),
        ("POST", "/{s}/streamingContinue", HELLO | {"messageId": "no uuid"}),
    ],
)
def test_other_bodies_that_do_not_fit_are_unprocessable(server, echo, session, method, path, body):
    path = f"/agents/{echo}/sessions{path.format(s=session)}?preview=true"
    request(server, method, path, body).error(422, "INVALID_ARGUMENT", "Conjure:UnprocessableEntity")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
def test_a_body_of_another_type_is_unsupported(server, echo, session, kind):
    body = json.dumps(HELLO).encode()
    reply = request(server, "POST", blocking(echo, session), body, headers={"Content-Type": kind})
    assert reply.error(415, "INVALID_ARGUMENT", "Conjure:UnsupportedMediaType") == {}


def test_a_body_without_a_type_is_an_invalid_argument(server, echo, session):
    reply = request(server, "POST", blocking(echo, session), json.dumps(HELLO).encode())
    reply.error(400, "INVALID_ARGUMENT", "Default:InvalidArgument")


def test_an_empty_body_is_missing(server, echo, session):
    headers = {"Content-Type": "application/json"}
    for method, path in [("POST", "/blockingContinue"), ("POST", "/cancel"), ("PUT", "/updateTitle")]:
        path = f"/agents/{echo}/sessions/{session}{path}?preview=true"
        assert request(server, method, path, b"", headers=headers).error(400, "INVALID_ARGUMENT", "MissingPostBody") == {}


def test_a_body_past_the_limit_is_too_large(server, echo, session):
    body = {"userInput": {"text": "x" * (11 << 20)}}
    reply = request(server, "POST", blocking(echo, session), body)
    assert reply.error(413, "REQUEST_ENTITY_TOO_LARGE", "Default:RequestEntityTooLarge") == {}


@pytest.mark.parametrize(
    "path",
    ["/agents", "/agents/{a}/nonsense", "/agents/{a}/sessions/{s}/exchanges", "//api/v2/nonsense", "/agents/{a}/"],
)
def test_a_path_that_is_no_endpoint_is_an_empty_404(server, echo, session, path):
    for token in ("alice", None):
        reply = request(server, "GET", path.format(a=echo, s=session) + "?preview=true", token=token)
        assert (reply.status, reply.body) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/agents/{a}", {"GET"}),
        ("PUT", "/agents/{a}/sessions", {"GET", "POST"}),
        ("PATCH", "/agents/{a}/sessions/{s}", {"GET", "DELETE"}),
        ("GET", "/agents/{a}/sessions/{s}/blockingContinue", {"POST"}),
        ("POST", "/agents/{a}/sessions/{s}/updateTitle", {"PUT"}),
        ("POST", "/agents/{a}/sessions/{s}/content", {"GET"}),
    ],
)
def test_another_method_is_not_allowed(server, echo, session, method, path, allowed):
    reply = request(server, method, path.format(a=echo, s=session) + "?preview=true")
    assert (reply.status, reply.body) == (405, b"")
    assert {name.strip() for name in reply.headers["allow"].split(",")} - {"HEAD"} == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/agents/nonsense",
        "/agents/ri.aip-agents..agent.%20",
        "/agents/{a}/sessions/nonsense",
        "/agents/{a}/sessions/{s}/sessionTraces/nonsense",
        "/agents/{a}/sessions?pageSize=five",
        "/agents/{a}/sessions?pageSize=",
        "/agents/{a}/sessions?pageSize=99999999999",
        "/agents/allSessions?pageSize=1.5",
    ],
)
def test_a_malformed_path_or_query_is_an_invalid_argument(server, echo, session, path):
    path = path.format(a=echo, s=session)
    reply = request(server, "GET", path + ("&" if "?" in path else "?") + "preview=true")
    reply.error(400, "INVALID_ARGUMENT", "Default:InvalidArgument")


def test_a_rid_of_something_else_is_simply_not_found(server, echo, session):
    for rid in (session, "ri.foundry.main.dataset.00000000-0000-7000-8000-000000000000", f"{NO_AGENT}x"):
        reply = request(server, "GET", f"/agents/{rid}?preview=true")
        assert reply.error(404, "NOT_FOUND", "AgentNotFound") == {"agentRid": rid}
    for rid in (echo, "ri.aip-agents..session.abc"):
        reply = request(server, "GET", f"/agents/{echo}/sessions/{rid}?preview=true")
        assert reply.error(404, "NOT_FOUND", "SessionNotFound") == {"agentRid": echo, "sessionRid": rid}


def test_path_segments_are_decoded(server, echo):
    encoded = echo.replace(".", "%2E").replace("-", "%2d")
    assert request(server, "GET", f"/agents/{encoded}?preview=true").json["rid"] == echo
    assert request(server, "GET", f"/agents/{echo}/agentVersions/1%2E0?preview=true").json["string"] == "1.0"


def test_what_is_wrong_is_reported_in_a_fixed_order(server, echo):
    headers = {"Content-Type": "text/plain"}
    missing = f"/agents/{NO_AGENT}/sessions/{NO_SESSION}/blockingContinue"
    order = [
        (401, request(server, "POST", missing, b"{", token=None, headers=headers)),
        (400, request(server, "POST", missing, b"{", headers=headers)),
        (415, request(server, "POST", missing + "?preview=true", b"{", headers=headers)),
        (400, request(server, "POST", missing + "?preview=true", b"{", headers={"Content-Type": "application/json"})),
        (422, request(server, "POST", missing + "?preview=true", {})),
        (404, request(server, "POST", missing + "?preview=true", HELLO)),
    ]
    assert [reply.status for _, reply in order] == [status for status, _ in order]
    assert order[1][1].json["errorName"] == "ApiFeaturePreviewUsageOnly"
    assert order[3][1].json["errorName"] == "Default:InvalidArgument"
    assert order[5][1].json["errorName"] == "AgentNotFound"
    reply = request(server, "GET", "/agents/nonsense?preview=true", token=None)
    assert reply.json["errorName"] == "Conjure:MissingCredentials"


def test_void_operations_answer_204_without_body_or_type(server, echo, session):
    path = f"/agents/{echo}/sessions/{session}"
    for method, path, body in [("PUT", f"{path}/updateTitle", {"title": "x"}), ("DELETE", path, None)]:
        reply = request(server, method, f"{path}?preview=true", body, headers={"Content-Type": "application/json"})
        assert (reply.status, reply.body) == (204, b"")
        assert reply.headers["content-type"] is None


def test_everything_else_answers_200_with_json(server, echo):
    made = request(server, "POST", f"/agents/{echo}/sessions?preview=true", {})
    assert made.status == 200
    assert made.headers["content-type"].split(";")[0] == "application/json"
    assert set(made.json) == {"rid", "metadata", "agentRid", "agentVersion"}
    times = [made.json["metadata"][name] for name in ("createdTime", "updatedTime", "estimatedExpiresTime")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", time) for time in times)


def test_errors_carry_exactly_the_four_fields_and_a_sentence(server, echo):
    reply = request(server, "GET", f"/agents/{echo}/sessions/{NO_SESSION}?preview=true")
    assert reply.error(404, "NOT_FOUND", "SessionNotFound") == {"agentRid": echo, "sessionRid": NO_SESSION}
    assert reply.json["errorDescription"]
    other = request(server, "GET", f"/agents/{echo}/sessions/{NO_SESSION}?preview=true")
    assert other.json["errorInstanceId"] != reply.json["errorInstanceId"]


def test_a_connection_serves_one_request_after_another(server, echo, session):
    connection = connect(server)
    headers = {"Authorization": f"Bearer {server.token('alice')}", "Content-Type": "application/json"}
    for method, path, body, status in [
        ("GET", f"/agents/{echo}?preview=true", None, 200),
        ("POST", blocking(echo, session), json.dumps(HELLO), 200),
        ("PUT", f"/agents/{echo}/sessions/{session}/updateTitle?preview=true", '{"title":"x"}', 204),
        ("POST", blocking(echo, session), "{", 400),
        ("GET", "/nonsense", None, 404),
        ("DELETE", f"/agents/{echo}/sessions/{session}?preview=true", None, 204),
    ]:
        connection.request(method, PREFIX + path, body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert not answer.will_close
    connection.close()


@pytest.mark.parametrize(
    ("query", "token", "status"), [("", "alice", 400), ("?preview=true", None, 401), ("?preview=true", "alice", 404)]
)
def test_a_refusal_before_the_body_was_looked_at_keeps_the_connection(server, echo, query, token, status):
    connection = connect(server)
    body = json.dumps({"title": "x" * 100_000}).encode()
    for _ in range(20):
        connection.putrequest("PUT", f"{PREFIX}/agents/{echo}/sessions/{NO_SESSION}/updateTitle{query}")
        if token:
            connection.putheader("Authorization", f"Bearer {server.token(token)}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        # Head and body in writes of their own, as the SDKs send them.
        connection.endheaders()
        connection.send(body)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert not answer.will_close
    connection.close()


def test_ids_in_bodies_are_echoed_in_lower_case(server, echo, session):
    trace = new_id()
    body = HELLO | {"sessionTraceId": trace.upper()}
    assert request(server, "POST", blocking(echo, session), body).json["sessionTraceId"] == trace
