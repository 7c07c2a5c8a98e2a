"""Agents of the shapes that the tests need, made through the command line."""

from dataclasses import dataclass

import pytest
from sederunt import Server


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


@dataclass
class Versions:
    """An agent with several versions."""

    rid: str
    labels: list[str]
    """All of them, newest first."""
    published: str
    """The latest published."""


@pytest.fixture(scope="session")
def versions(server: Server) -> Versions:
    rid = server.create_agent('key = "versions"\nname = "First"\n', publish=False)
    server.cli("agent", "publish", "versions")
    server.save_agent("versions", 'key = "versions"\nname = "Second"\n')
    server.cli("agent", "publish", "versions")
    server.save_agent("versions", 'key = "versions"\nname = "Third"\n')
    return Versions(rid, ["2.1", "2.0", "1.1", "1.0", "0.1"], "2.0")
