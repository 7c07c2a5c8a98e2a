"""The token endpoints, in all the forms that clients use."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from sederunt import Server
from vectara_wire import made
from wire import Answer, send

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def app(server: Server) -> dict[str, str]:
    """The pair of an app client."""
    body = {"type": "client_credentials", "name": "app", "api_roles": ["agent_administrator"]}
    client = made(server, "/app_clients", body)
    return {"client_id": client["client_id"], "client_secret": client["client_secret"]}


def ask(server: Server, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    return send(server, "POST", path, body, token=None, headers=headers)


def good(server: Server, answer: Answer, agent: str) -> None:
    """Checks that it is a token, and that it is good."""
    assert answer.status == 200, answer.body
    token = answer.json
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 1800)
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert send(server, "GET", f"/v2/agents/{agent}", token=None, headers=headers).status == 200


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth/token"])
@pytest.mark.parametrize("grant", [True, False])
@pytest.mark.parametrize("form", ["form", "json"])
def test_every_form_gets_a_token(server: Server, agent: str, app, path: str, grant: bool, form: str):
    asked: dict[str, Any] = app | ({"grant_type": "client_credentials"} if grant else {})
    body, headers = (urlencode(asked), FORM) if form == "form" else (json.dumps(asked), JSON)
    good(server, ask(server, path, body.encode(), headers), agent)


def test_a_client_may_name_itself_in_the_header(server: Server, agent: str, app):
    basic = base64.b64encode(f"{app['client_id']}:{app['client_secret']}".encode()).decode()
    headers = FORM | {"Authorization": f"Basic {basic}"}
    good(server, ask(server, "/oauth2/token", b"grant_type=client_credentials", headers), agent)


def test_a_wrong_secret_and_another_grant_are_told_apart(server: Server, app):
    wrong = json.dumps(app | {"client_secret": "wrong"}).encode()
    answer = ask(server, "/oauth2/token", wrong, JSON)
    assert (answer.status, answer.json["error"]) == (401, "invalid_client") and answer.json["messages"]
    grant = json.dumps(app | {"grant_type": "password"}).encode()
    answer = ask(server, "/oauth/token", grant, JSON)
    assert (answer.status, answer.json["error"]) == (400, "unsupported_grant_type") and answer.json["messages"]
