"""The documented list call, as anybody types it."""

import json
import subprocess
from typing import Any

import pytest
from sederunt import SCHEME, Server
from vectara_wire import SMALLEST, made

AGENT = "agt_customer_support"
TYPES = {"id": str, "agent_key": str, "description": str, "metadata": dict, "enabled": bool, "created_at": str}
"""The documented members of a session."""


@pytest.fixture(scope="module")
def support(server: Server) -> str:
    """An agent with 127 sessions, of which every tenth is disabled."""
    made(server, "/agents", SMALLEST | {"key": AGENT})
    for at in range(127):
        session = {"key": f"ase_customer_support_{at:03}", "metadata": {"customer_id": f"customer_{at}"}}
        made(server, f"/agents/{AGENT}/sessions", session | {"enabled": at % 10 != 0})
    return AGENT


def curl(server: Server, query: str, *arguments: str) -> Any:
    """What `curl` prints, as JSON."""
    trust = ["--cacert", server.ready["ca"]] if SCHEME == "https" else []
    url = f"{server.url}/v2/agents/{AGENT}/sessions?{query}"
    key = ["-H", f"x-api-key: {server.token('alice')}"]
    command = ["curl", "--silent", "--show-error", "--fail-with-body", *trust, *key, *arguments, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_the_documented_call_has_the_documented_members(server: Server, support: str):
    page = curl(server, "limit=25&enabled=true")
    assert len(page["sessions"]) == 25
    for session in page["sessions"]:
        for member, kind in TYPES.items():
            assert type(session[member]) is kind, (member, session)
        assert session["agent_key"] == support and session["enabled"] is True
        assert session["created_at"].endswith("Z")
    assert type(page["metadata"]["page_key"]) is str
    assert page["metadata"]["total_count"] == 114


def test_the_token_is_taken_back_until_there_is_none(server: Server, support: str):
    pages = [curl(server, "limit=25")]
    while token := pages[-1]["metadata"].get("page_key"):
        # As curl encodes it: the padding becomes %3D.
        pages.append(curl(server, "limit=25", "--get", "--data-urlencode", f"page_key={token}"))
    assert len(pages) == 6
    assert [page["metadata"]["total_count"] for page in pages] == [127] * 6
    found = [session["id"] for page in pages for session in page["sessions"]]
    assert found == [f"ase_customer_support_{at:03}" for at in range(127)]


def test_a_bearer_key_is_as_good(server: Server, support: str):
    page = curl(server, "limit=1", "-H", f"Authorization: Bearer {server.token('alice')}")
    assert page["metadata"]["total_count"] == 127
