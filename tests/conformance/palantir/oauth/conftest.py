"""Tokens of applications, as the token endpoint gives them."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from sederunt import Server
from talk import Reply, request

TOKEN = "//multipass/api/oauth2/token"
REVOKE = "//multipass/api/oauth2/revoke_token"


@pytest.fixture(scope="session")
def application(server: Server) -> tuple[str, str]:
    """The development application's id and secret."""
    return server.ready["oauth"]["client_id"], server.ready["oauth"]["client_secret"]


@pytest.fixture(scope="session")
def public(server: Server) -> tuple[str, str]:
    """The development application without a secret, and where it may send its users back to."""
    return server.ready["oauth"]["public_client_id"], server.ready["oauth"]["redirect_uri"]


@pytest.fixture(scope="session")
def post_form(server: Server) -> Callable[..., Reply]:
    """Posts a form, with HTTP Basic credentials if given."""

    def post(path: str, form: dict[str, str], basic: tuple[str, str] | None = None) -> Reply:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic:
            pair = ":".join(map(quote_plus, basic))
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return request(server, "POST", path, urlencode(form).encode(), token=None, headers=headers)

    return post


@pytest.fixture(scope="session")
def token_with(post_form, application) -> Callable[[str], str]:
    """An access token of the application, with this scope."""

    def get(scope: str) -> str:
        reply = post_form(TOKEN, {"grant_type": "client_credentials", "scope": scope}, application)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)["access_token"]

    return get


def bearer(token: str) -> dict[str, Any]:
    return {"Authorization": f"Bearer {token}"}
