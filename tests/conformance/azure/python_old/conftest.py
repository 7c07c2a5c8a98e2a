"""The clients of the preview releases, whose sessions are below `beta`; each call is told where there is no TLS."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from azure.ai.projects import VERSION
from project import client, openai
from sederunt import SCHEME

pytest_plugins = ["azure_fixtures"]


class Told:
    """Operations of which each call is told that plain HTTP will do, as these releases document."""

    def __init__(self, operations: Any):
        self._operations = operations

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._operations, name)
        return call if SCHEME == "https" else partial(call, enforce_https=False)


@pytest.fixture(scope="session")
def release() -> tuple[int, int]:
    """The release of the SDK."""
    major, minor, _ = VERSION.split(".")
    return int(major), int(minor)


@pytest.fixture(scope="session")
def alice(server) -> Iterator[Any]:
    with client(server, "alice", allow_preview=True, told_by_policy=False) as made:
        yield made


@pytest.fixture(scope="session")
def versions(alice) -> Told:
    """Agents and their versions."""
    return Told(alice.agents)


@pytest.fixture(scope="session")
def agents(alice) -> Told:
    """Sessions, files and logs."""
    return Told(alice.beta.agents)


@pytest.fixture(scope="session")
def keyed(release) -> Callable[[str], dict[str, str]]:
    """How a user's key is given to a call that takes one."""
    return lambda key: {"isolation_key" if release == (2, 1) else "user_isolation_key": key}


@pytest.fixture
def talk(alice, agent) -> Iterator[Any]:
    """The client for responses and conversations below the endpoint of `agent`."""
    with openai(alice, agent) as made:
        yield made
