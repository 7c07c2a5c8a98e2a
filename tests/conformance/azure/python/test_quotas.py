"""Quotas that the configuration sets: sessions of an agent, files of a session."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure_wire import HOSTED
from openai import RateLimitError
from project import client, openai
from sederunt import SCHEME, Server


@pytest.fixture
def limited(script, monkeypatch, runner):
    """Alice's client of a server with narrow quotas, and an agent there."""
    quotas = {"AZURE_SESSIONS": "2", "AZURE_FILE_SIZE": "1KiB", "LIMITS_SESSION_FILES_SIZE": "2KiB"}
    with Server(
        "--script", script, environment={f"SEDERUNT_{name}": value for name, value in quotas.items()}
    ) as server:
        if SCHEME == "https":
            monkeypatch.setenv("SSL_CERT_FILE", server.ready["ca"])
        with client(server, runner=runner) as made:
            made.agents.create_version("limited", definition=HOSTED)
            yield made


def test_sessions_past_the_quota_are_429_with_a_wait(limited):
    made = [limited.agents.create_session("limited", {}).agent_session_id for _ in range(2)]
    with pytest.raises(HttpResponseError) as refusal:
        limited.agents.create_session("limited", {})
    assert (refusal.value.status_code, refusal.value.model.error.code) == (429, "rate_limit_exceeded")
    assert int(refusal.value.response.headers["retry-after"]) >= 1
    talk = openai(limited, "limited")
    with pytest.raises(RateLimitError):
        talk.responses.create(input="three words")
    assert talk.responses.create(input="three words", extra_body={"agent_session_id": made[0]}).status == "completed"
    limited.agents.delete_session("limited", made[1])
    assert talk.responses.create(input="three words").status == "completed"


def test_files_past_their_quotas_are_refused(limited):
    agents = limited.agents
    session = agents.create_session("limited", {}).agent_session_id
    with pytest.raises(HttpResponseError) as refusal:
        agents.upload_session_file("limited", session, bytes(1025), path="large")
    assert (refusal.value.status_code, refusal.value.model.error.code) == (413, "file_size_exceeded")
    for path in ("a", "b"):
        agents.upload_session_file("limited", session, bytes(1024), path=path)
    with pytest.raises(HttpResponseError) as refusal:
        agents.upload_session_file("limited", session, b"x", path="c")
    assert refusal.value.status_code in (400, 413)
    # What takes the place of another file counts in its stead.
    agents.upload_session_file("limited", session, bytes(1000), path="a")
    agents.delete_session_file("limited", session, path="b")
    agents.upload_session_file("limited", session, bytes(1024), path="c")
    assert sorted(entry.name for entry in agents.list_session_files("limited", session)) == ["a", "c"]
