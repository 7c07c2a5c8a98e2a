"""Fixtures that every test of this dialect shares: one server, and agents and sessions made over the wire."""

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sederunt import ROOT, SCHEME, Server
from vectara_clients import Talk, client
from vectara_wire import SMALLEST, made

SCRIPT = str(ROOT / "tests/conformance/vectara/script.toml")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    # Every client meets the comments that keep a stream alive.
    with Server("--script", SCRIPT, environment={"SEDERUNT_VECTARA_KEEP_ALIVE": "100ms"}) as running:
        if SCHEME == "https":
            os.environ["SSL_CERT_FILE"] = running.ready["ca"]
        yield running


@pytest.fixture(scope="session", params=["sync", "async"])
def runner(request) -> Iterator[asyncio.Runner | None]:
    """What runs asynchronous clients; `None` says that the clients are synchronous."""
    if request.param == "sync":
        yield None
    else:
        with asyncio.Runner() as runner:
            yield runner


@pytest.fixture(scope="session")
def alice(server: Server, runner) -> Any:
    return client(server, "alice", runner=runner)


@pytest.fixture(scope="session")
def bob(server: Server, runner) -> Any:
    return client(server, "bob", runner=runner)


@pytest.fixture(scope="session")
def new_key() -> Callable[[str], str]:
    """Makes keys that nothing has."""
    return lambda prefix="agt": f"{prefix}_{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def new_agent(server: Server, new_key) -> Callable[..., str]:
    """Makes an agent, the smallest but for what is given; its key."""
    return lambda **more: made(server, "/agents", SMALLEST | {"key": new_key()} | more)["key"]


@pytest.fixture
def agent(new_agent) -> str:
    """The key of a new agent."""
    return new_agent()


@pytest.fixture
def session(server: Server, agent: str) -> str:
    """The key of a new session with `agent`."""
    return made(server, f"/agents/{agent}/sessions", {})["key"]


@pytest.fixture
def talk(alice, agent: str, session: str) -> Talk:
    """Alice's client in `session`."""
    return Talk(alice, agent, session)
