"""What was acknowledged is there after the process was killed."""

from pathlib import Path

from sederunt import Server
from vectara_wire import SMALLEST, got, made, multipart, raw, said


def test_everything_is_there_after_a_kill(tmp_path: Path):
    with Server("--data", str(tmp_path)) as server:
        agent = made(server, "/agents", SMALLEST | {"key": "one", "metadata": {"ü": [1]}})
        session = made(server, "/agents/one/sessions", {"key": "s", "name": "Größe 🐝", "metadata": {"a": {"b": 1}}})
        said(server, "one", "s", "hello")
        body, headers = multipart(("files", "a.txt", "text/plain", b"content"))
        assert raw(server, "POST", "/agents/one/sessions/s/events", body, headers=headers).status == 201
        events = got(server, "/agents/one/sessions/s/events")
        artifact = events["events"][2]["artifacts"][0]["artifact_id"]
        instruction = made(server, "/instructions", {"type": "initial", "name": "i", "template": "Be brief."})
        key = made(server, "/api_keys", {"name": "k", "api_roles": ["administrator"]})["secret_key"]
        server.kill()
    with Server("--data", str(tmp_path)) as server:
        holder = {"token": None, "headers": {"x-api-key": key}}
        assert got(server, "/agents/one", **holder) == agent
        again = got(server, "/agents/one/sessions/s", **holder)
        assert {name: again[name] for name in ("key", "name", "metadata", "created_at")} == {
            name: session[name] for name in ("key", "name", "metadata", "created_at")
        }
        assert got(server, "/agents/one/sessions/s/events", **holder) == events
        assert got(server, f"/agents/one/sessions/s/artifacts/{artifact}", **holder)["data"] == "Y29udGVudA=="
        assert got(server, f"/instructions/{instruction['id']}", **holder) == instruction
        filtered = got(server, "/agents/one/sessions?metadata_filter=%22a.b%22%20%3D%201", **holder)
        assert filtered["metadata"]["total_count"] == 1
