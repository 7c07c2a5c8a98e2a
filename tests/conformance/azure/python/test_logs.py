"""The log stream of a session: the tail, frames at once, and where it is not found."""

import json
import queue
import threading
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure_wire import raw
from wire import WAIT, connect


def frames(chunks) -> Iterator[dict]:
    """The frames of a stream as they come."""
    buffered = b""
    for chunk in chunks:
        buffered += chunk
        while b"\n\n" in buffered:
            frame, buffered = buffered.split(b"\n\n", 1)
            if frame.startswith(b":"):
                continue
            named, data = frame.decode().split("\n")
            assert named == "event: log"
            yield json.loads(data.removeprefix("data: "))


def test_the_lines_of_earlier_turns_are_told_first(agents, at_agent, agent, session):
    at_agent.responses.create(input="three words", extra_body={"agent_session_id": session})
    line = next(frames(agents.get_session_log_stream(agent, "1", session)))
    assert {"timestamp", "stream", "message"} <= set(line)
    assert line["stream"] in ("stdout", "stderr", "status") and line["message"]


def test_frames_reach_a_waiting_client_at_once(server, agents, at_agent, agent, session, runner):
    if runner is not None:
        pytest.skip("a stepped client cannot wait and talk at the same time")
    lines: queue.Queue = queue.Queue()
    stream = agents.get_session_log_stream(agent, "1", session)

    def listen() -> None:
        for line in frames(stream):
            lines.put(line)
            if "ended" in line["message"]:
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    body = {"input": "three words", "agent_session_id": session}
    said = raw(server, "POST", f"/agents/{agent}/endpoint/protocols/openai/responses", body)
    assert said.status == 200
    heard = [lines.get(timeout=WAIT)]
    while said.json["id"] not in json.dumps(heard):
        heard.append(lines.get(timeout=WAIT))


def test_the_stream_is_chunked_and_stays_open(server, agent, session):
    connection = connect(server)
    path = f"/api/projects/default/agents/{agent}/versions/1/sessions/{session}:logstream?api-version=v1"
    connection.request("GET", path, headers={"Authorization": f"Bearer {server.token('alice')}"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["transfer-encoding"]) == (200, "chunked")
    assert answer.headers["content-type"].startswith("text/event-stream")
    raw(
        server,
        "POST",
        f"/agents/{agent}/endpoint/protocols/openai/responses",
        {"input": "x", "agent_session_id": session},
    )
    assert answer.readline() == b"event: log\n"
    connection.close()


def test_a_session_that_is_not_of_the_version_has_no_log(agents, agent, session):
    for name, version, identifier in ((agent, "2", session), (agent, "1", "0" * 63), ("nobody", "1", session)):
        with pytest.raises(ResourceNotFoundError):
            agents.get_session_log_stream(name, version, identifier)


def test_the_older_path_works_too(server, agent, session):
    raw(
        server,
        "POST",
        f"/agents/{agent}/endpoint/protocols/openai/responses",
        {"input": "x", "agent_session_id": session},
    )
    path = f"/agents/{agent}/sessions/{session}:logstream?kind=console&tail=100&follow=false"
    answer = raw(server, "GET", path)
    assert answer.status == 200
    assert list(frames([answer.body]))
