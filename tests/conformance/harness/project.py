"""Clients of a project over the Azure dialect, made as its SDKs document, but for what plain HTTP asks of them."""

import asyncio
import time
from typing import Any

from azure.ai.projects import AIProjectClient
from azure.ai.projects.aio import AIProjectClient as AsyncAIProjectClient
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, BearerTokenCredentialPolicy
from azure_wire import PROJECT
from sederunt import SCHEME, Server
from stepped import Stepped
from wire import WAIT

SCOPE = "https://ai.azure.com/.default"


class Token:
    """A credential that is a token."""

    def __init__(self, token: str):
        self._access = AccessToken(token, int(time.time()) + 1_000_000_000)

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return self._access


class AsyncToken(Token):
    """The same for asynchronous clients."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return self._access

    async def close(self) -> None:
        pass

    async def __aexit__(self, *_: Any) -> None:
        pass


class OverPlainHttp(BearerTokenCredentialPolicy):
    """Sends the token also where there is no TLS, which the SDK's own policy refuses."""

    def on_request(self, request: Any) -> None:
        request.context["enforce_https"] = False
        super().on_request(request)


class AsyncOverPlainHttp(AsyncBearerTokenCredentialPolicy):
    """The same for asynchronous clients."""

    async def on_request(self, request: Any) -> None:
        request.context["enforce_https"] = False
        await super().on_request(request)


def client(
    server: Server,
    user: str = "alice",
    *,
    runner: asyncio.Runner | None = None,
    told_by_policy: bool = True,
    **more: Any,
) -> Any:
    """A client of the project `default`, for a user or a token; an asynchronous one, stepped, if there is a runner for
    it. That plain HTTP will do is told by its policy, or else by each call."""
    kind, token, policy = (
        (AIProjectClient, Token, OverPlainHttp)
        if runner is None
        else (AsyncAIProjectClient, AsyncToken, AsyncOverPlainHttp)
    )
    credential = token(server.token(user) if user in {"alice", "bob"} else user)
    if SCHEME == "https":
        more["connection_verify"] = server.ready["ca"]
    elif told_by_policy:
        more["authentication_policy"] = policy(credential, SCOPE)
    endpoint = more.pop("endpoint", server.url + PROJECT)
    made = kind(endpoint=endpoint, credential=credential, retry_total=0, read_timeout=WAIT, **more)
    return made if runner is None else Stepped(runner, made)


def openai(project: Any, agent: str | None = None, **more: Any) -> Any:
    """The project's client for responses and conversations: below an agent's endpoint, or the project's own."""
    more = {"timeout": WAIT, "max_retries": 0} | more
    return project.get_openai_client(**({} if agent is None else {"agent_name": agent}), **more)
