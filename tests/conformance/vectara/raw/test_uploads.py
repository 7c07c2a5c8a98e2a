"""Files as forms bring them."""

import base64
import hashlib

import pytest
from sederunt import Server
from vectara_wire import frames, got, multipart, raw, said, text_of

PICTURE = bytes(range(256)) * 40


@pytest.fixture
def path(agent: str, session: str) -> str:
    return f"/agents/{agent}/sessions/{session}"


def test_files_come_before_the_message_about_them(server: Server, path: str):
    body, headers = multipart(
        ("files", "größe 🐝.bin", "application/octet-stream", PICTURE),
        ("file", "b.txt", "text/plain", b"b"),
        ("messages", None, "application/json", b'[{"content": "three words"}]'),
        ("message", None, None, b"ignored"),
    )
    answer = raw(server, "POST", f"{path}/events", body, headers=headers)
    assert answer.status == 201, answer.body
    events = answer.json["events"]
    kinds = [event["type"] for event in events]
    assert kinds[0] == "artifact_upload" and kinds[-1] == "agent_output"
    artifacts = [artifact for event in events for artifact in event.get("artifacts", [])]
    assert [(a["filename"], a["mime_type"], a["size_bytes"]) for a in artifacts] == [
        ("größe 🐝.bin", "application/octet-stream", len(PICTURE)),
        ("b.txt", "text/plain", 1),
    ]
    whole = got(server, f"{path}/artifacts/{artifacts[0]['artifact_id']}")
    assert base64.b64decode(whole["data"]) == PICTURE
    assert whole["checksum_sha256"] == hashlib.sha256(PICTURE).hexdigest()


def test_a_file_needs_no_message_and_the_agent_is_told_of_it(server: Server, agent: str, session: str, path: str):
    body, headers = multipart(("files", "a.txt", "text/plain", b"a"))
    events = raw(server, "POST", f"{path}/events", body, headers=headers).json["events"]
    assert [event["type"] for event in events] == ["artifact_upload", "agent_output"]
    assert "a.txt" in said(server, agent, session, "what did I say?")[-1]["content"]


def test_a_form_may_ask_for_a_stream(server: Server, path: str):
    body, headers = multipart(
        ("files", "a.txt", "text/plain", b"a"),
        ("message", None, None, "letters".encode()),
        ("stream_response", None, None, b"true"),
    )
    answer = raw(server, "POST", f"{path}/events", body, headers=headers)
    assert answer.status == 201
    told = frames(answer.body)
    assert told[0]["type"] == "artifact_upload"
    assert "streaming_agent_output_end" in [frame["type"] for frame in told]
    assert text_of(told)


def test_a_form_that_says_nothing_is_refused(server: Server, path: str):
    body, headers = multipart(("stream_response", None, None, b"false"))
    assert raw(server, "POST", f"{path}/events", body, headers=headers).status == 400
    broken = {"Content-Type": "multipart/form-data"}
    assert raw(server, "POST", f"{path}/events", b"--x--", headers=broken).status == 400
    assert got(server, f"{path}/events")["events"] == []
