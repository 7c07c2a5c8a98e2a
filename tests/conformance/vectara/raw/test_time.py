"""What time does: sessions that nobody talks in, and files that were kept long enough."""

from collections.abc import Iterator

import pytest
from sederunt import Server
from vectara_wire import SMALLEST, got, made, multipart, raw, refused, said


@pytest.fixture
def server() -> Iterator[Server]:
    """One of its own, since its clock is moved."""
    with Server() as running:
        made(running, "/agents", SMALLEST | {"key": "one"})
        yield running


def test_a_session_that_nobody_talks_in_goes(server: Server):
    path = "/agents/one/sessions"
    made(server, path, {"key": "short", "tti_minutes": 30})
    made(server, path, {"key": "talked", "tti_minutes": 30})
    made(server, path, {"key": "forever"})
    server.advance("20m")
    said(server, "one", "talked", "hello")
    server.advance("15m")
    refused(raw(server, "GET", f"{path}/short"), 404, "session_not_found")
    page = got(server, path)
    assert [session["key"] for session in page["sessions"]] == ["forever", "talked"]
    assert page["metadata"]["total_count"] == 2
    server.advance("16m")
    assert [session["key"] for session in got(server, path)["sessions"]] == ["forever"]
    server.advance("8760h")
    assert got(server, f"{path}/forever")["tti_minutes"] == 0


def test_a_file_goes_after_its_time(server: Server):
    made(server, "/agents/one/sessions", {"key": "files"})
    path = "/agents/one/sessions/files"
    body, headers = multipart(("files", "a.txt", "text/plain", b"a"))
    events = raw(server, "POST", f"{path}/events", body, headers=headers).json["events"]
    artifact = f"{path}/artifacts/{events[0]['artifacts'][0]['artifact_id']}"
    server.advance("719h")
    assert got(server, artifact)["ttl_days"] == 30
    server.advance("2h")
    refused(raw(server, "GET", artifact), 404, "artifact_not_found")
    assert got(server, f"{path}/artifacts") == {"artifacts": [], "metadata": {"total_count": 0}}
