"""Fixtures that every Python test of this dialect shares: one server, its users and its agents."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sederunt import SCHEME, Server
from talk import client_of

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server("--script", str(HERE / "script.toml")) as running:
        if SCHEME == "https":
            # The SDK's HTTP client prefers the second to the first.
            os.environ["SSL_CERT_FILE"] = running.ready["ca"]
            os.environ.pop("REQUESTS_CA_BUNDLE", None)
        yield running


@pytest.fixture(scope="session")
def alice(server: Server):
    return client_of(server, server.token("alice"))


@pytest.fixture(scope="session")
def bob(server: Server):
    return client_of(server, server.token("bob"))


@pytest.fixture(scope="session")
def agents(alice):
    return alice.aip_agents.Agent


@pytest.fixture(scope="session")
def sessions(agents):
    return agents.Session


@pytest.fixture(scope="session")
def echo(server: Server) -> str:
    """The RID of the agent that answers with exactly the input, a word a part."""
    return server.agent("echo")


@pytest.fixture(scope="session")
def scripted(server: Server) -> str:
    """The RID of the agent for which `script.toml` answers."""
    return server.create_agent('key = "scripted"\nname = "Scripted"\n')


@pytest.fixture
def session(sessions, echo: str) -> str:
    """The RID of a new session with `echo`."""
    return sessions.create(echo).rid


@pytest.fixture
def scripted_session(sessions, scripted: str) -> str:
    """The RID of a new session with `scripted`."""
    return sessions.create(scripted).rid


@pytest.fixture(scope="session")
def draft(server: Server) -> str:
    """The RID of an agent with a saved version and none published."""
    return server.create_agent('key = "draft"\nname = "Draft"\n', publish=False)


PUMPS = """
key = "pumps"
name = "Pump expert"
description = "Knows pumps"
placeholder = "Ask about a pump"
suggestions = ["Which pumps are due?"]

[parameters.site]
type = "text"
default = "North"
description = "Where the pump stands"

[parameters.lastSite]
type = "text"
access = "read_write"

[parameters.due]
type = "data"
expects = ["Pump"]
access = "read_write"
"""


@pytest.fixture(scope="session")
def pumps(server: Server) -> str:
    """The RID of an agent with parameters of both kinds."""
    return server.create_agent(PUMPS)


@pytest.fixture
def pump_session(sessions, pumps: str) -> str:
    return sessions.create(pumps).rid
