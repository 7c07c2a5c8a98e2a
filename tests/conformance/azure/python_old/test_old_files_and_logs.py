"""The preview releases: session files and the log stream."""

import pytest
from azure.ai.projects import VERSION
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError


def entries(agents, agent: str, session: str, path: str) -> list[tuple[str, int, bool]]:
    if VERSION.startswith("2.1."):
        listed = agents.get_session_files(agent, session, path=path).entries
    else:
        listed = agents.list_session_files(agent, session, path=path)
    return sorted((entry.name, entry.size, entry.is_directory) for entry in listed)


def read(agents, agent: str, session: str, path: str) -> bytes:
    return b"".join(agents.download_session_file(agent, session, path=path))


def test_files_go_up_and_down_are_listed_and_deleted(agents, agent, session):
    content = bytes(range(256)) * 100
    assert agents.upload_session_file(agent, session, content, path="data/blob.bin").bytes_written == len(content)
    agents.upload_session_file(agent, session, b"", path="data/sub/empty")
    assert read(agents, agent, session, "data/blob.bin") == content
    assert entries(agents, agent, session, "data") == [("blob.bin", len(content), False), ("sub", 0, True)]
    assert entries(agents, agent, session, ".") == [("data", 0, True)]
    with pytest.raises(ResourceExistsError):
        agents.delete_session_file(agent, session, path="data")
    assert agents.delete_session_file(agent, session, path="data", recursive=True) is None
    with pytest.raises(ResourceNotFoundError):
        read(agents, agent, session, "data/blob.bin")
    assert entries(agents, agent, session, "/") == []


def test_paths_that_leave_the_session_are_refused(agents, agent, session):
    with pytest.raises(HttpResponseError) as refusal:
        agents.upload_session_file(agent, session, b"x", path="../outside")
    assert refusal.value.status_code == 400


def test_a_file_past_50_mb_is_413(agents, agent, session):
    with pytest.raises(HttpResponseError) as refusal:
        agents.upload_session_file(agent, session, bytes(50 * 1024 * 1024 + 1), path="large")
    assert refusal.value.status_code == 413


def test_the_log_stream_tells_the_lines_of_earlier_turns(agents, talk, agent, session):
    talk.responses.create(input="three words", extra_body={"agent_session_id": session})
    assert next(iter(agents.get_session_log_stream(agent, "1", session))).startswith(b"event: log\n")
