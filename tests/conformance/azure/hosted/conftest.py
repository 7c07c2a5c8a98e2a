"""A server whose hosted agents run in containers of the vendor's runtime."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from container import Container, free_port
from sederunt import SCHEME, Server
from sides import Side

CONFIG = """
model_rules = [{{ agent = "contained-*", use = "containers" }}, {{ agent = "away-*", use = "away" }}]

[models.containers]
provider = "responses"
container = true
base_url = "{urls}"

[models.away]
provider = "responses"
container = true
base_url = "http://127.0.0.1:{nobody}"
retries = 0
"""


@pytest.fixture(scope="session")
def containers() -> Iterator[list[Container]]:
    """Two that run the same agent."""
    with ExitStack() as stack:
        yield [stack.enter_context(Container()) for _ in range(2)]


@pytest.fixture(scope="session")
def project(containers: list[Container]) -> Iterator[Side]:
    """The server, as seen below a project by the user `alice`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        urls = ",".join(container.url for container in containers)
        path.write_text(CONFIG.format(urls=urls, nobody=free_port()))
        with Server(environment={"SEDERUNT_CONFIG": str(path)}) as server:
            yield Side(
                "Sederunt",
                f"{server.url}/api/projects/default",
                query={"api-version": "v1"},
                headers={"authorization": f"Bearer {server.token('alice')}"},
                authority=server.ready["ca"] if SCHEME == "https" else None,
            )


@pytest.fixture
def new_agent(project: Side) -> Callable[[str], Side]:
    """Makes a hosted agent whose name begins so; the server as seen below that agent."""

    def make(beginning: str) -> Side:
        name = f"{beginning}-{uuid4().hex[:12]}"
        definition = {
            "kind": "hosted",
            "cpu": "0.5",
            "memory": "1Gi",
            "container_configuration": {"image": "example/contained:1"},
            "protocol_versions": [{"protocol": each, "version": "2.0.0"} for each in ("responses", "invocations")],
        }
        made = project.request("POST", f"/agents/{name}/versions", {"definition": definition})
        assert made.status == 200, made.body
        return project.below(f"/agents/{name}")

    return make


@pytest.fixture
def agent(new_agent: Callable[[str], Side]) -> Side:
    """The server as seen below a new agent that a container serves."""
    return new_agent("contained")


@pytest.fixture
def responses(agent: Side) -> Side:
    return agent.below("/endpoint/protocols/openai")


@pytest.fixture
def direct(containers: list[Container]) -> Side:
    """A container, without anything before it."""
    return Side("the container", containers[0].url)


@pytest.fixture
def asked(containers: list[Container]) -> Callable[[str], list[dict[str, Any]]]:
    """The requests of both containers that carried this in a header."""

    def find(value: str) -> list[dict[str, Any]]:
        everything = [request for container in containers for request in container.asked()]
        return [request for request in everything if value in request["headers"].values()]

    return find
