"""An agent with several versions, made through the command line."""

from dataclasses import dataclass

import pytest
from sederunt import Server


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
