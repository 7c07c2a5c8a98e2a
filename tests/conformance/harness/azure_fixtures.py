"""Fixtures that the tests of all the vendor's Python SDKs share: one server; agents and sessions made over the wire."""

import os
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from azure_wire import HOSTED, raw
from sederunt import ROOT, SCHEME, Server


@pytest.fixture(scope="session")
def script() -> str:
    """Where the script of the models lies."""
    return str(ROOT / "tests/conformance/azure/script.toml")


@pytest.fixture(scope="session")
def server(script: str) -> Iterator[Server]:
    # So long a turn waits for another of its conversation: enough for a short one, and refusals come soon. Every client
    # meets the comments that keep a stream alive.
    environment = {"SEDERUNT_AZURE_CONVERSATION_WAIT": "500ms", "SEDERUNT_AZURE_KEEP_ALIVE": "100ms"}
    with Server("--script", script, environment=environment) as running:
        if SCHEME == "https":
            os.environ["SSL_CERT_FILE"] = running.ready["ca"]
        yield running


@pytest.fixture(scope="session")
def new_name() -> Callable[[], str]:
    """Makes names that no agent has."""
    return lambda: f"agent-{uuid4().hex[:12]}"


@pytest.fixture
def name(new_name) -> str:
    """A name that no agent has."""
    return new_name()


@pytest.fixture(scope="session")
def new_agent(server: Server, new_name) -> Callable[..., str]:
    """Makes an agent from a definition; its name."""

    def make(definition: dict = HOSTED, **more) -> str:
        name = new_name()
        made = raw(server, "POST", f"/agents/{name}/versions", {"definition": definition, **more})
        assert made.status == 200, made.body
        return name

    return make


@pytest.fixture
def agent(new_agent) -> str:
    """The name of a new hosted agent that has one version, `1`."""
    return new_agent()


@pytest.fixture
def prompt(new_agent) -> str:
    """The name of a new prompt agent."""
    return new_agent({"kind": "prompt", "model": "scripted"})


@pytest.fixture
def session(server: Server, agent: str) -> str:
    """The id of a new session of `agent`."""
    made = raw(server, "POST", f"/agents/{agent}/endpoint/sessions", {})
    assert made.status == 201, made.body
    return made.json["agent_session_id"]
