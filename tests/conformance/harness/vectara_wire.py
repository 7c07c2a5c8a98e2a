"""Raw requests to the Vectara dialect, the envelope that its errors have, and its streams as they are on the wire."""

import json
from typing import Any
from uuid import uuid4

from sederunt import Server
from wire import Answer, send

SMALLEST = {
    "name": "Helper",
    "model": {"name": "gpt-4o"},
    "first_step": {"type": "conversational", "output_parser": {"type": "default"}},
}
"""What the vendor's own tests make agents of."""


def raw(server: Server, method: str, path: str, body: Any = None, **more: Any) -> Answer:
    """One request below `/v2`."""
    return send(server, method, "/v2" + path, body, **more)


def made(server: Server, path: str, body: Any, **more: Any) -> Any:
    """What was created."""
    answer = raw(server, "POST", path, body, **more)
    assert answer.status == 201, (answer.status, answer.body)
    return answer.json


def got(server: Server, path: str, **more: Any) -> Any:
    """What is there."""
    answer = raw(server, "GET", path, **more)
    assert answer.status == 200, (answer.status, answer.body)
    return answer.json


def refused(answer: Answer, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Checks that this is that error in the envelope that every error of the dialect has."""
    assert answer.status == status, (answer.status, answer.body)
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    error = answer.json
    assert error["code"] == code, error
    assert error["message"] and error["messages"] == [error["message"]]
    assert error["request_id"] == answer.headers["x-request-id"]
    if field is not None:
        assert error["field_errors"][field], error
    return error


def said(server: Server, agent: str, session: str, text: str, **more: Any) -> list[dict[str, Any]]:
    """The events that a message makes."""
    body = {"messages": [{"type": "text", "content": text}], **more}
    answer = made(server, f"/agents/{agent}/sessions/{session}/events", body)
    assert answer["session_key"] == session
    return answer["events"]


def frames(body: bytes) -> list[dict[str, Any]]:
    """The frames of a stream, each as every known client needs it: one line of ASCII, no id, one end, and that last."""
    text = body.decode("ascii")
    assert text.endswith("\n\n")
    found = []
    for block in text[:-2].split("\n\n"):
        (line,) = block.split("\n")
        if line.startswith(":"):
            continue
        assert line.startswith("data: {"), line
        found.append(json.loads(line.removeprefix("data: ")))
    assert [frame["type"] for frame in found].index("end") == len(found) - 1
    assert found[-1] == {"type": "end"}
    return found


def streamed(server: Server, agent: str, session: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The frames that a request makes."""
    path = f"/agents/{agent}/sessions/{session}/events"
    answer = raw(server, "POST", path, body | {"stream_response": True})
    assert answer.status == 201, (answer.status, answer.body)
    assert answer.headers["content-type"].split(";")[0] == "text/event-stream"
    return frames(answer.body)


def text_of(frames: list[dict[str, Any]]) -> str:
    """What the agent says in a stream."""
    return "".join(frame["content"] for frame in frames if frame["type"] == "streaming_agent_output")


def multipart(*parts: tuple[str, str | None, str | None, bytes]) -> tuple[bytes, dict[str, str]]:
    """A form of parts, each a field's name, a file's name and type if it is a file, and its content; and its header."""
    boundary = uuid4().hex
    body = b""
    for name, filename, kind, content in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        head += f'; filename="{filename}"' if filename is not None else ""
        head += f"\r\nContent-Type: {kind}" if kind is not None else ""
        body += head.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}
