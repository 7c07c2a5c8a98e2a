"""One server, and a client of every vendor's, all of them for the same user."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.ai.projects import AIProjectClient
from azure.core.credentials import AccessToken
from foundry_sdk import Config, FoundryClient, UserTokenAuth
from sederunt import Server
from vectara import Vectara
from vectara.environment import VectaraEnvironment

SCRIPT = str(Path(__file__).parent / "script.toml")


class Token:
    """A credential that hands out a development user's token."""

    def __init__(self, token: str):
        self.token = token

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server("--script", SCRIPT) as running:
        yield running


@pytest.fixture
def project(server: Server) -> AIProjectClient:
    token = Token(server.token("alice"))
    endpoint = f"{server.ready['https']}/api/projects/default"
    return AIProjectClient(endpoint, token, connection_verify=server.ready["ca"])


@pytest.fixture
def palantir(server: Server):
    config = Config(verify=server.ready["ca"], default_params={"preview": "true"})
    host = server.ready["https"].split("://")[1]
    client = FoundryClient(auth=UserTokenAuth(server.token("alice")), hostname=host, config=config)
    return client.aip_agents.Agent


@pytest.fixture
def openai(server: Server, project: AIProjectClient, monkeypatch):
    """Makes OpenAI clients of an agent's endpoint."""
    monkeypatch.setenv("SSL_CERT_FILE", server.ready["ca"])
    return lambda agent: project.get_openai_client(agent_name=agent)


@pytest.fixture
def vectara(server: Server, monkeypatch) -> Vectara:
    monkeypatch.setenv("SSL_CERT_FILE", server.ready["ca"])
    origin = server.ready["https"].rstrip("/")
    here = VectaraEnvironment(default=origin, auth=origin)
    return Vectara(environment=here, api_key=server.token("alice"))
