"""The clients of the current SDK, each test once with the synchronous and once with the asynchronous ones."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from project import client, openai

pytest_plugins = ["azure_fixtures"]


@pytest.fixture(scope="session", params=["sync", "async"])
def runner(request) -> Iterator[asyncio.Runner | None]:
    """What runs asynchronous clients; `None` says that the clients are synchronous."""
    if request.param == "sync":
        yield None
    else:
        with asyncio.Runner() as runner:
            yield runner


@pytest.fixture(scope="session")
def alice(server, runner) -> Iterator[Any]:
    with client(server, "alice", runner=runner) as made:
        yield made


@pytest.fixture(scope="session")
def bob(server, runner) -> Iterator[Any]:
    with client(server, "bob", runner=runner) as made:
        yield made


@pytest.fixture(scope="session")
def previewing(server, runner) -> Iterator[Any]:
    """Alice's client with the previews allowed."""
    with client(server, "alice", runner=runner, allow_preview=True) as made:
        yield made


@pytest.fixture(scope="session")
def agents(alice) -> Any:
    return alice.agents


@pytest.fixture(scope="session")
def at_project(alice) -> Iterator[Any]:
    """Alice's client for responses and conversations of the whole project."""
    with openai(alice) as made:
        yield made


@pytest.fixture(scope="session")
def connections(server, runner) -> Iterator[Any]:
    """Connections that many clients share: to make them anew takes longer than most tests."""
    if runner is None:
        with DefaultHttpxClient() as made:
            yield made
    else:
        made = DefaultAsyncHttpxClient()
        yield made
        runner.run(made.aclose())


@pytest.fixture
def at_agent(alice, agent, connections) -> Any:
    """Alice's client for responses and conversations below the endpoint of `agent`."""
    return openai(alice, agent, http_client=connections)


@pytest.fixture(params=["endpoint", "project"])
def talk(request, at_agent, at_project, agent) -> Any:
    """Both bases, for what is the same below them; the project's is told the agent in each request."""
    if request.param == "endpoint":
        return at_agent
    return Referring(at_project, {"type": "agent_reference", "name": agent})


class Referring:
    """A client whose creations of responses name an agent."""

    def __init__(self, inner: Any, reference: dict[str, str]):
        self._inner = inner
        self._reference = reference
        self.responses = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner if name == "conversations" else self._inner.responses, name)

    def _with_agent(self, named: dict[str, Any]) -> dict[str, Any]:
        return named | {"extra_body": {"agent_reference": self._reference} | named.get("extra_body", {})}

    def create(self, **named: Any) -> Any:
        return self._inner.responses.create(**self._with_agent(named))

    def stream(self, **named: Any) -> Any:
        if "response_id" in named:
            return self._inner.responses.stream(**named)
        return self._inner.responses.stream(**self._with_agent(named))

    def parse(self, **named: Any) -> Any:
        return self._inner.responses.parse(**self._with_agent(named))
