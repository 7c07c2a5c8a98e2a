"""The switches that are off by default: opt-in headers of the preview releases, and users who stay apart."""

import pytest
from azure_wire import HOSTED, raw, refused
from sederunt import Server

ENDPOINTS = "AgentEndpoints=V1Preview"
HOSTING = "HostedAgents=V1Preview"


@pytest.fixture(scope="module")
def strict(script):
    environment = {"SEDERUNT_AZURE_STRICT_PREVIEW": "true", "SEDERUNT_AZURE_STRICT_USERS": "true"}
    with Server("--script", script, environment=environment) as running:
        headers = {"Foundry-Features": HOSTING}
        assert raw(running, "POST", "/agents/strict/versions", {"definition": HOSTED}, headers=headers).status == 200
        yield running


def opted(*flags: str, user: str | None = None) -> dict[str, str]:
    named = {} if user is None else {"x-ms-user-identity": user}
    return {"Foundry-Features": ",".join(flags)} | named


def new_session(server, **more) -> str:
    made = raw(server, "POST", "/agents/strict/endpoint/sessions", {}, headers=opted(ENDPOINTS, **more))
    assert made.status == 201, made.body
    return made.json["agent_session_id"]


def needs(server, flag: str, method: str, path: str, body=None) -> None:
    """Checks that the request is refused with another flag, and not with this one."""
    error = refused(
        raw(server, method, path, body, headers=opted("Skills=V1Preview")),
        403,
        "preview_feature_required",
        "Foundry-Features",
    )
    assert f"'Foundry-Features: {flag}'" in error["message"]
    assert raw(server, method, path, body, headers=opted("Skills=V1Preview", flag)).status < 300


def test_sessions_need_their_flag(strict):
    sessions = "/agents/strict/endpoint/sessions"
    needs(strict, ENDPOINTS, "POST", sessions, {})
    needs(strict, ENDPOINTS, "GET", sessions)
    session = new_session(strict)
    needs(strict, ENDPOINTS, "GET", f"{sessions}/{session}")
    needs(strict, HOSTING, "POST", f"{sessions}/{session}:stop")
    needs(strict, ENDPOINTS, "DELETE", f"{sessions}/{session}")


def test_files_need_theirs(strict):
    files = f"/agents/strict/endpoint/sessions/{new_session(strict)}/files"
    needs(strict, HOSTING, "PUT", f"{files}/content?path=a.txt", b"abc")
    needs(strict, HOSTING, "GET", f"{files}/content?path=a.txt")
    needs(strict, HOSTING, "GET", files)
    needs(strict, HOSTING, "DELETE", f"{files}?path=a.txt")


def test_the_log_stream_needs_its_flag(strict):
    path = f"/agents/strict/versions/1/sessions/{new_session(strict)}:logstream"
    refused(raw(strict, "GET", path), 403, "preview_feature_required", "Foundry-Features")


def test_without_a_user_what_was_made_under_one_is_out_of_sight(strict):
    sessions = "/agents/strict/endpoint/sessions"
    hers, nobodys = new_session(strict, user="user-a"), new_session(strict)
    listed = raw(strict, "GET", sessions, headers=opted(ENDPOINTS)).json["data"]
    names = [session["agent_session_id"] for session in listed]
    assert nobodys in names and hers not in names
    refused(raw(strict, "GET", f"{sessions}/{hers}", headers=opted(ENDPOINTS)), 404, "not_found")
    assert raw(strict, "GET", f"{sessions}/{hers}", headers=opted(ENDPOINTS, user="user-a")).status == 200


def test_a_caller_without_delegation_does_not_use_a_delegated_users_things(strict):
    responses = "/agents/strict/endpoint/protocols/openai/responses"
    made = raw(strict, "POST", responses, {"input": "three words"}, headers=opted(user="user-a")).json
    for body in ({"agent_session_id": made["agent_session_id"]}, {"previous_response_id": made["id"]}):
        answer = raw(strict, "POST", responses, {"input": "three words"} | body)
        refused(answer, 403, "session_not_accessible")
