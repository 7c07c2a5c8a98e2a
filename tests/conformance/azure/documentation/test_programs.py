"""The programs of docs/azure.md run as they stand there, with what `sederunt env azure` says to set."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from sederunt import ROOT, Server

PACKAGES = ROOT / "tests/conformance/azure/javascript"
"""Where Node finds the vendor's packages."""

PAGE = (ROOT / "docs/azure.md").read_text()
PROGRAMS = re.findall(r"```(python|js)\n(.*?)```", PAGE, re.DOTALL)

SAID = "Who sits today?"


def programs(language: str, word: str) -> str:
    """The one program of the page in this language that has this word."""
    (found,) = [text for lang, text in PROGRAMS if lang == language and word in text]
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def run(server: Server, command: list[str], *, scheme: str = "https", **options) -> str:
    """What a program prints that has nothing but the documented environment."""
    told = server.cli("env", "azure", "--json", "--server", server.ready[scheme])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SEDERUNT_")}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env=inherited | json.loads(told),
        stdin=subprocess.DEVNULL,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_program_of_the_page_is_run_here():
    tried = [
        programs("python", "sederunt-monday"),
        programs("python", "asyncio.run"),
        programs("python", "OpenAI(base_url"),
        programs("python", "enforce_https"),
        programs("js", "AIProjectClient"),
    ]
    assert sorted(tried) == sorted(text for _, text in PROGRAMS)


def test_the_python_program_speaks_to_a_hosted_agent_in_a_session(server: Server):
    said = run(server, [sys.executable, "-c", programs("python", "sederunt-monday")])
    assert SAID in said


def test_the_asynchronous_python_program_speaks_to_a_prompt_agent(server: Server):
    said = run(server, [sys.executable, "-c", programs("python", "asyncio.run")])
    assert SAID in said


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_openai_package_alone_streams(server: Server, scheme: str):
    said = run(server, [sys.executable, "-c", programs("python", "OpenAI(base_url")], scheme=scheme)
    assert said == SAID


def test_the_recipe_for_plain_http_lists_agents(server: Server):
    said = run(server, [sys.executable, "-c", programs("python", "enforce_https")], scheme="http")
    assert "echo" in said


def test_the_javascript_program_speaks_to_a_hosted_agent(server: Server):
    program = programs("js", "AIProjectClient")
    said = run(server, ["node", "--input-type=module", "-e", program], cwd=PACKAGES)
    assert SAID in said
