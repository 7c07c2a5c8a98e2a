"""Streams as they are on the wire."""

from sederunt import Server
from vectara_wire import raw, streamed, text_of

LETTERS = "Grüße, 東京 und 🐝🐝 — مرحبا"


def test_a_stream_is_one_line_of_ascii_for_each_frame(server: Server, agent: str, session: str):
    frames = streamed(server, agent, session, {"messages": [{"type": "text", "content": "letters"}]})
    assert text_of(frames) == LETTERS
    asked = frames[0]
    assert list(asked)[:4] == ["id", "session_key", "created_at", "type"]
    assert all("created_at" in frame for frame in frames[:-1])


def test_a_silent_stream_says_that_it_lives(server: Server, agent: str, session: str):
    path = f"/agents/{agent}/sessions/{session}/events"
    body = {"messages": [{"content": "slow"}], "stream_response": True}
    assert b": keepalive\n\n" in raw(server, "POST", path, body).body


def test_a_type_may_be_left_out(server: Server, agent: str, session: str):
    path = f"/agents/{agent}/sessions/{session}/events"
    answer = raw(server, "POST", path, {"messages": [{"content": "three words"}], "unknown": 1})
    assert answer.status == 201
    assert [event["type"] for event in answer.json["events"]] == ["input_message", "agent_output"]
