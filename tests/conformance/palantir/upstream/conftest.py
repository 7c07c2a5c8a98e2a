"""A server whose agents are answered by an OpenAI-compatible server in another process."""

import json
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sederunt import ROOT, Server

MODELS = (
    "fine slow uncounted history settings busy-once busy down-once down too-long refuses unauthorized cut unfinished "
    "garbage garbled length silent tools loops"
).split()


@pytest.fixture(scope="session")
def upstream() -> Iterator[str]:
    """The base URL of the upstream."""
    program = [sys.executable, str(ROOT / "tests/fixtures/openai_server.py")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture(scope="session")
def server(upstream: str) -> Iterator[Server]:
    sections = [
        f'[models.{name}]\nprovider = "openai"\nbase_url = "{upstream}"\nmodel = "{name}"\napi_key_env = "UPSTREAM_KEY"\n'
        for name in MODELS
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text("\n".join(sections))
        with Server(environment={"SEDERUNT_CONFIG": str(path), "UPSTREAM_KEY": "secret-of-the-upstream"}) as running:
            yield running


@pytest.fixture(scope="session")
def agent_on(server: Server) -> Callable[..., str]:
    """Makes an agent that the named model answers for, with more settings if given; its RID."""
    made = {}

    def make(model: str, more: str = "") -> str:
        if (model, more) not in made:
            key = f"{model}-{len(made)}"
            made[model, more] = server.create_agent(f'key = "{key}"\nname = "{model}"\nmodel = "{model}"\n{more}')
        return made[model, more]

    return make


@pytest.fixture
def asked(upstream: str) -> Callable[[str, str], int]:
    """How often the upstream was asked by a model for an answer to a message."""

    def count(model: str, message: str) -> int:
        address = f"{upstream.removesuffix('/v1')}/asked/{model}/{urllib.parse.quote(message)}"
        with urllib.request.urlopen(address, timeout=10) as reply:
            return json.load(reply)["asked"]

    return count
