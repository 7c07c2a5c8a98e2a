"""What each role of the account may do, operation by operation."""

import pytest
from sederunt import Server
from vectara_wire import SMALLEST, made, raw, said

MESSAGE = {"messages": [{"content": "three words"}]}
NONE: set[str] = set()
TALK = {"get session", "create session", "create event", "outstanding calls"}
VIEW = {"list agents", "get agent", "get identity", "list sessions", "get session", "list events", "list artifacts"}
DEVELOP = TALK | VIEW | {"update session", "hide event", "update agent", "delete session"}
ADMINISTER = DEVELOP | {"create agent", "delete event", "update identity", "secrets", "replace agent", "delete agent"}

ROLES = {
    "agent_user": TALK,
    "viewer": VIEW,
    "agent_viewer": VIEW,
    "agent_developer": DEVELOP,
    "agent_administrator": ADMINISTER,
    "administrator": ADMINISTER,
    "owner": ADMINISTER,
    "billing_administrator": NONE,
    "corpus_viewer": NONE,
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_what_it_is_documented_to(server: Server, agent: str, session: str, role: str):
    event = said(server, agent, session, "three words")[0]["id"]
    key = made(server, "/api_keys", {"name": role, "api_roles": [role]})["secret_key"]
    one, sitting = f"/agents/{agent}", f"/agents/{agent}/sessions/{session}"
    # Deletions are tried last.
    operations = {
        "list agents": ("GET", "/agents", None),
        "create agent": ("POST", "/agents", SMALLEST),
        "get agent": ("GET", one, None),
        "get identity": ("GET", f"{one}/identity", None),
        "list sessions": ("GET", f"{one}/sessions", None),
        "get session": ("GET", sitting, None),
        "create session": ("POST", f"{one}/sessions", {}),
        "list events": ("GET", f"{sitting}/events", None),
        "create event": ("POST", f"{sitting}/events", MESSAGE),
        "list artifacts": ("GET", f"{sitting}/artifacts", None),
        "outstanding calls": ("GET", f"{sitting}/outstanding_client_tool_calls", None),
        "update session": ("PATCH", sitting, {"name": "n"}),
        "hide event": ("POST", f"{sitting}/events/{event}/hide", None),
        "update agent": ("PATCH", one, {"description": "d"}),
        "update identity": ("PATCH", f"{one}/identity", {"mode": "manual"}),
        "secrets": ("PUT", f"{one}/secrets", {"secrets": {}}),
        "replace agent": ("PUT", one, SMALLEST),
        "delete event": ("DELETE", f"{sitting}/events/{event}", None),
        "delete session": ("DELETE", sitting, None),
        "delete agent": ("DELETE", one, None),
    }
    allowed = set()
    for name, (method, path, body) in operations.items():
        status = raw(server, method, path, body, token=None, headers={"x-api-key": key}).status
        # Whoever may not see something at all is told that there is none.
        assert status in {200, 201, 204, 403} | ({404} if ROLES[role] == NONE else set()), (name, status)
        if status < 300:
            allowed.add(name)
    assert allowed == ROLES[role]
