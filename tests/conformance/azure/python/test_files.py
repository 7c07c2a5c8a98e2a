"""The files of a session: upload, download, lists, deletion, limits, and paths that lead nowhere."""

import hashlib
import io

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure_wire import raw, refused

MIB = 1024 * 1024


@pytest.fixture
def files(server, agent, session) -> str:
    return f"/agents/{agent}/endpoint/sessions/{session}/files"


def read(agents, agent: str, session: str, path: str) -> bytes:
    return b"".join(agents.download_session_file(agent, session, path=path))


def names(entries) -> list[tuple[str, int, bool]]:
    return [(entry.name, entry.size, entry.is_directory) for entry in entries]


def test_a_file_comes_down_as_it_went_up(agents, agent, session):
    content = bytes(range(256)) * 300
    written = agents.upload_session_file(agent, session, content, path="data/deep/blob.bin")
    assert (written.path, written.bytes_written) == ("data/deep/blob.bin", len(content))
    assert read(agents, agent, session, "data/deep/blob.bin") == content
    for path in ("/data/deep/blob.bin", "./data/deep/blob.bin", "data//deep/../deep/blob.bin"):
        assert read(agents, agent, session, path) == content
    shorter = agents.upload_session_file(agent, session, io.BytesIO(b"shorter"), path="data/deep/blob.bin")
    assert shorter.bytes_written == 7
    assert read(agents, agent, session, "data/deep/blob.bin") == b"shorter"


def test_a_file_may_be_empty_and_have_any_name(agents, agent, session):
    for path in ("empty", "with blank & ümlaut 東京.txt", "percent%2Fsign", "plus+sign", "x" * 255):
        assert agents.upload_session_file(agent, session, b"", path=path).bytes_written == 0
        assert read(agents, agent, session, path) == b""
    assert len(list(agents.list_session_files(agent, session))) == 5


def test_on_the_wire_upload_is_201_and_download_is_bytes(server, files):
    headers = {"Content-Type": "application/octet-stream"}
    written = raw(server, "PUT", f"{files}/content?path=a.txt", b"abc", headers=headers)
    assert (written.status, written.json) == (201, {"path": "a.txt", "bytes_written": 3})
    got = raw(server, "GET", f"{files}/content?path=a.txt")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b"abc", "application/octet-stream")
    assert raw(server, "DELETE", f"{files}?path=a.txt").status == 204


def test_a_directory_lists_its_children_by_name(agents, agent, session, server, files):
    for path in ("b.txt", "a.txt", "sub/c.txt", "sub/deeper/d.txt"):
        agents.upload_session_file(agent, session, b"12", path=path)
    home = [("a.txt", 2, False), ("b.txt", 2, False), ("sub", 0, True)]
    assert names(agents.list_session_files(agent, session, order="asc")) == home
    for path in (".", "/"):
        assert names(agents.list_session_files(agent, session, path=path, order="asc")) == home
    assert names(agents.list_session_files(agent, session, path="sub", order="asc")) == [
        ("c.txt", 2, False),
        ("deeper", 0, True),
    ]
    listed = raw(server, "GET", f"{files}?path=sub").json
    assert {"path", "entries", "first_id", "last_id", "has_more"} <= set(listed)
    assert (listed["path"], type(listed["entries"][0]["modified_time"])) == ("sub", int)


def test_lists_of_files_end(agents, agent, session, server, files):
    assert list(agents.list_session_files(agent, session)) == []
    made = [f"file-{number:02}" for number in range(25)]
    for name in made:
        agents.upload_session_file(agent, session, b"", path=name)
    for order, walked in (("asc", made), ("desc", made[::-1])):
        assert [entry.name for entry in agents.list_session_files(agent, session, limit=10, order=order)] == walked
    before = agents.list_session_files(agent, session, order="asc", before="file-03")
    assert [entry.name for entry in before] == made[:3]
    for query, param in (("limit=0", "limit"), ("limit=101", "limit"), ("order=up", "order")):
        refused(raw(server, "GET", f"{files}?{query}"), 400, "invalid_request_error", param)


def test_files_are_deleted_and_directories_only_when_empty_or_recursively(agents, agent, session):
    for path in ("a.txt", "sub/b.txt", "sub/deeper/c.txt"):
        agents.upload_session_file(agent, session, b"1", path=path)
    assert agents.delete_session_file(agent, session, path="a.txt") is None
    with pytest.raises(ResourceNotFoundError):
        agents.delete_session_file(agent, session, path="a.txt")
    with pytest.raises(ResourceExistsError):
        agents.delete_session_file(agent, session, path="sub")
    with pytest.raises(ResourceExistsError):
        agents.delete_session_file(agent, session, path="sub", recursive=False)
    assert read(agents, agent, session, "sub/deeper/c.txt") == b"1"
    assert agents.delete_session_file(agent, session, path="sub", recursive=True) is None
    assert list(agents.list_session_files(agent, session)) == []


def test_what_is_not_there_is_not_found(agents, agent, session):
    calls = [
        lambda: read(agents, agent, session, "nothing"),
        lambda: list(agents.list_session_files(agent, session, path="nothing")),
        lambda: read(agents, agent, "0" * 63, "a.txt"),
        lambda: agents.upload_session_file(agent, "0" * 63, b"", path="a.txt"),
        lambda: list(agents.list_session_files(agent, "0" * 63)),
        lambda: agents.delete_session_file(agent, "0" * 63, path="a.txt"),
    ]
    for call in calls:
        with pytest.raises(ResourceNotFoundError) as refusal:
            call()
        assert refusal.value.error.code == "not_found"


def test_a_directory_is_not_a_file(agents, agent, session):
    agents.upload_session_file(agent, session, b"1", path="sub/a.txt")
    with pytest.raises(HttpResponseError) as refusal:
        read(agents, agent, session, "sub")
    assert refusal.value.status_code == 400
    with pytest.raises(HttpResponseError):
        agents.upload_session_file(agent, session, b"1", path="sub")
    with pytest.raises(HttpResponseError):
        agents.upload_session_file(agent, session, b"1", path="sub/a.txt/below")


@pytest.mark.parametrize(
    "path", ["../outside", "a/../../outside", "/../outside", "..", "", "%00", "a%00b", "%2e%2e/outside", "..%2foutside"]
)
def test_paths_that_leave_the_session_are_refused(server, files, path):
    headers = {"Content-Type": "application/octet-stream"}
    assert raw(server, "PUT", f"{files}/content?path={path}", b"x", headers=headers).status == 400
    assert raw(server, "GET", f"{files}/content?path={path}").status == 400
    assert raw(server, "DELETE", f"{files}?path={path}").status == 400
    assert raw(server, "GET", files).json["entries"] == []


def test_50_mb_go_up_and_down_and_more_is_413(agents, agent, session, server, files):
    content = bytes(MIB) * 50
    assert agents.upload_session_file(agent, session, content, path="large").bytes_written == len(content)
    digest = hashlib.sha256()
    for chunk in agents.download_session_file(agent, session, path="large"):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(content).digest()
    with pytest.raises(HttpResponseError) as refusal:
        agents.upload_session_file(agent, session, content + b"x", path="larger")
    assert refusal.value.status_code == 413
    assert refusal.value.model.error.message
    assert [entry.name for entry in agents.list_session_files(agent, session)] == ["large"]


def test_sessions_do_not_share_files(agents, agent, session):
    agents.upload_session_file(agent, session, b"mine", path="a.txt")
    other = agents.create_session(agent, {}).agent_session_id
    with pytest.raises(ResourceNotFoundError):
        read(agents, agent, other, "a.txt")


def test_files_outlive_a_stop_and_go_with_the_session(agents, agent, session):
    agents.upload_session_file(agent, session, b"kept", path="a.txt")
    agents.stop_session(agent, session)
    assert read(agents, agent, session, "a.txt") == b"kept"
    agents.delete_session(agent, session)
    with pytest.raises(ResourceNotFoundError):
        read(agents, agent, session, "a.txt")
    agents.create_session(agent, {"agent_session_id": session})
    assert list(agents.list_session_files(agent, session)) == []


def test_the_command_lines_own_calls_work_too(server, files):
    assert raw(server, "POST", f"{files}/mkdir", {"path": "new/deep"}).status in (200, 201, 204)
    stat = raw(server, "GET", f"{files}/stat?path=new")
    assert (stat.status, stat.json["name"], stat.json["is_directory"]) == (200, "new", True)
    assert raw(server, "GET", f"{files}/stat?path=nothing").status == 404
