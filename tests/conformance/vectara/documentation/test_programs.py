"""The programs of docs/vectara.md run as they stand there, with what `sederunt env vectara` says to set."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sederunt import ROOT, Server

PAGE = (ROOT / "docs/vectara.md").read_text()
PROGRAMS = re.findall(r"```(python|sh)\n(.*?)```", PAGE, re.DOTALL)
SAID = "Who sits today?"


def program(language: str, word: str) -> str:
    """The one program of the page in this language that has this word."""
    (found,) = [text for lang, text in PROGRAMS if lang == language and word in text]
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(params=["http", "https"])
def run(server: Server, request):
    """Runs a program that has nothing but the documented environment; what it prints."""
    told = json.loads(server.cli("env", "vectara", "--json", "--server", server.ready[request.param]))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SEDERUNT_", "VECTARA_"))}

    def program(*command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=inherited | told, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return program


def test_every_program_of_the_page_is_run_here():
    python = [program("python", word) for word in ("Monday", "asyncio.run", "app_clients")]
    shell = [program("sh", word) for word in ("eval", "curl -s")]
    assert sorted(python + shell) == sorted(text for _, text in PROGRAMS)


def test_the_python_program_speaks_to_an_agent_in_a_session(run):
    assert SAID in run(sys.executable, "-c", program("python", "Monday"))


def test_the_asynchronous_program_prints_a_stream(run):
    assert run(sys.executable, "-c", program("python", "asyncio.run")) == SAID


def test_an_app_client_lists_agents(run):
    assert "echo" in run(sys.executable, "-c", program("python", "app_clients")).split()


def test_the_call_with_curl_lists_sessions(run):
    page = json.loads(run("sh", "-c", program("sh", "curl -s")))
    assert page["metadata"]["total_count"] == len(page["sessions"])
