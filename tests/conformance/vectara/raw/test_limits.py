"""What the configuration bounds."""

from sederunt import ROOT, Server
from vectara_wire import SMALLEST, got, made, multipart, raw, refused, said


def test_a_session_that_is_nearly_full_is_compacted_by_itself():
    # Each answer of this model is counted as ten tokens.
    script = str(ROOT / "tests/conformance/vectara/script.toml")
    with Server("--script", script, "--set", "models.default.context_window=12") as server:
        made(server, "/agents", SMALLEST | {"key": "one"})
        made(server, "/agents/one/sessions", {"key": "s"})
        said(server, "one", "s", "first")
        said(server, "one", "s", "three words")
        usage = got(server, "/agents/one/sessions/s")["session_context_usage"]
        assert (usage["total_tokens"], usage["model_context_window"]) == (10, 12)
        events = said(server, "one", "s", "three words")
        assert "compaction" in [event["type"] for event in events]
        hidden = got(server, "/agents/one/sessions/s/events?include_hidden=true")["events"]
        assert "compacted" in [event.get("hide_reason") for event in hidden]


def test_a_file_that_is_too_large_leaves_nothing():
    with Server(environment={"SEDERUNT_VECTARA_FILE_SIZE": "1KiB"}) as server:
        made(server, "/agents", SMALLEST | {"key": "one"})
        made(server, "/agents/one/sessions", {"key": "s"})
        body, headers = multipart(("files", "a.bin", "application/octet-stream", b"x" * 1025))
        answer = raw(server, "POST", "/agents/one/sessions/s/events", body, headers=headers)
        refused(answer, 413, "invalid_request")
        assert got(server, "/agents/one/sessions/s/events")["events"] == []
        assert got(server, "/agents/one/sessions/s/artifacts")["artifacts"] == []
        body, headers = multipart(("files", "a.bin", "application/octet-stream", b"x" * 1024))
        assert raw(server, "POST", "/agents/one/sessions/s/events", body, headers=headers).status == 201
