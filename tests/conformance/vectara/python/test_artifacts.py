"""Files given to a session."""

import base64
import hashlib
import re

import pytest
from vectara import NotFoundError
from vectara_clients import types
from vectara_wire import multipart, raw

CSV = "name;Größe\n🐝;1\n".encode()


@pytest.fixture
def upload(server, talk):
    """Gives files to the session; the events."""

    def send(*files: tuple[str, str, bytes], **fields: str):
        parts = [("files", name, kind, content) for name, kind, content in files]
        parts += [(name, None, None, value.encode()) for name, value in fields.items()]
        body, headers = multipart(*parts)
        path = f"/agents/{talk.agent}/sessions/{talk.session}/events"
        answer = raw(server, "POST", path, body, headers=headers)
        assert answer.status == 201, answer.body
        return answer.json["events"]

    return send


def test_an_uploaded_file_is_an_artifact(alice, talk, upload):
    events = upload(("bees.csv", "text/csv", CSV))
    (reference,) = events[0]["artifacts"]
    artifact = alice.agent_artifacts.get(talk.agent, talk.session, reference["artifact_id"])
    assert re.fullmatch(r"art_[a-z0-9_-]+", artifact.artifact_id)
    assert (artifact.filename, artifact.mime_type, artifact.size_bytes) == ("bees.csv", "text/csv", len(CSV))
    assert artifact.checksum_sha256 == hashlib.sha256(CSV).hexdigest()
    assert base64.b64decode(artifact.data) == CSV
    assert artifact.ttl_days == 30 and artifact.created_at
    assert artifact.metadata == {"original_filename": "bees.csv"}
    listed = talk.list()
    assert types(listed)[0] == "artifact_upload"
    assert listed[0].artifacts[0].model_dump() == reference


def test_artifacts_are_listed_newest_first_without_their_content(alice, talk, upload):
    for name in ("a.txt", "b.txt", "c.txt"):
        upload((name, "text/plain", name.encode()))

    def names(**more: str | int) -> list[str]:
        return [artifact.filename for artifact in alice.agent_artifacts.list(talk.agent, talk.session, **more)]

    assert names() == ["c.txt", "b.txt", "a.txt"]
    assert names(limit=1, order_by="asc") == ["a.txt", "b.txt", "c.txt"]
    assert names(sort_by="updated_at", order_by="asc") == ["a.txt", "b.txt", "c.txt"]
    page = alice.agent_artifacts.list(talk.agent, talk.session, limit=2).response
    assert page.metadata.total_count == 3 and [artifact.data for artifact in page.artifacts] == [None, None]


def test_there_is_no_unknown_artifact(alice, talk, upload):
    with pytest.raises(NotFoundError) as caught:
        alice.agent_artifacts.get(talk.agent, talk.session, "art_none_at_all")
    assert caught.value.body["code"] == "artifact_not_found"
    artifact = upload(("a.txt", "text/plain", b"a"))[0]["artifacts"][0]["artifact_id"]
    other = alice.agent_sessions.create(talk.agent).key
    with pytest.raises(NotFoundError):
        alice.agent_artifacts.get(talk.agent, other, artifact)


def test_a_fork_has_artifacts_of_its_own(alice, talk, upload):
    upload(("bees.csv", "text/csv", CSV))
    forked = alice.agent_sessions.create(talk.agent, from_session={"session_key": talk.session})
    alice.agent_sessions.delete(talk.agent, talk.session)
    (artifact,) = alice.agent_artifacts.list(talk.agent, forked.key)
    whole = alice.agent_artifacts.get(talk.agent, forked.key, artifact.artifact_id)
    assert base64.b64decode(whole.data) == CSV
    events = list(alice.agent_events.list(talk.agent, forked.key))
    assert events[0].artifacts[0].artifact_id == artifact.artifact_id
