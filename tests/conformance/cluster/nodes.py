"""Servers on one store, with the clients of every vendor at each, and calls that go from one to the next."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from azure.ai.projects import AIProjectClient
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from foundry_sdk import Config, FoundryClient, UserTokenAuth
from httpx import Client
from openai import OpenAI
from sederunt import Server
from vectara import Vectara
from vectara.environment import VectaraEnvironment
from wire import WAIT

SCRIPT = str(Path(__file__).parent / "script.toml")
SCOPE = "https://ai.azure.com/.default"


class Token:
    """A credential that is a token."""

    def __init__(self, token: str):
        self._token = AccessToken(token, int(time.time()) + 1_000_000)

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return self._token


class OverPlainHttp(BearerTokenCredentialPolicy):
    """Sends the token also where there is no TLS, which the SDK's own policy refuses."""

    def on_request(self, request: Any) -> None:
        request.context["enforce_https"] = False
        super().on_request(request)


class Node:
    """One server, and a user's clients of it. None of them repeats a request by itself."""

    def __init__(self, server: Server, user: str):
        self.server = server
        token = server.token(user)
        config = Config(scheme="http", timeout=WAIT, default_params={"preview": "true"})
        self.palantir = FoundryClient(auth=UserTokenAuth(token), hostname=server.host, config=config).aip_agents.Agent
        credential = Token(token)
        self.project = AIProjectClient(
            endpoint=f"{server.url}/api/projects/default",
            credential=credential,
            retry_total=0,
            read_timeout=WAIT,
            authentication_policy=OverPlainHttp(credential, SCOPE),
        )
        self.agents = self.project.agents
        self.openai: OpenAI = self.project.get_openai_client(timeout=WAIT, max_retries=0)
        self._vectara = {"environment": VectaraEnvironment(default=server.url, auth=server.url), "timeout": WAIT}
        self._connections = Client(timeout=WAIT)
        self.vectara = self.vectara_with(token)

    def vectara_with(self, key: str) -> Vectara:
        """A client with this key, over connections that all of them share."""
        return Vectara(api_key=key, httpx_client=self._connections, **self._vectara)


class Nodes:
    """The nodes in a circle: no two calls in a row go to the same, if there are several."""

    def __init__(self, servers: list[Server]):
        self._users = {user: [Node(server, user) for server in servers] for user in ("alice", "bob")}
        self._turn = 0

    def next(self, user: str = "alice") -> Node:
        nodes = self._users[user]
        self._turn = (self._turn + 1) % len(nodes)
        return nodes[self._turn]


@contextmanager
def alone() -> Iterator[Nodes]:
    """One server, which keeps everything by itself."""
    with Server("--script", SCRIPT) as server:
        yield Nodes([server])


@contextmanager
def cluster(count: int, database: str) -> Iterator[Nodes]:
    """So many nodes on one database."""
    with ExitStack() as stack:
        arguments = ("--script", SCRIPT, "--set", f"store.url={database}")
        secret = {"SEDERUNT_NODE_SECRET_ENV": "NODE_SECRET", "NODE_SECRET": "the secret of the nodes of this test only"}
        yield Nodes([stack.enter_context(Server(*arguments, environment=secret)) for _ in range(count)])
