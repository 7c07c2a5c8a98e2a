"""Streams as they are on the wire."""

import json

from sederunt import Server
from vectara_wire import got, raw, said, streamed, text_of
from wire import connect

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


def test_who_leaves_does_not_stop_the_answer(server: Server, agent: str, session: str):
    path = f"/v2/agents/{agent}/sessions/{session}"
    connection = connect(server)
    body = json.dumps({"messages": [{"content": "slow"}], "stream_response": True})
    headers = {"x-api-key": server.token("alice"), "Content-Type": "application/json"}
    connection.request("POST", f"{path}/events", body, headers)
    assert b"input_message" in connection.getresponse().readline()
    connection.close()
    events = said(server, agent, session, "three words", since="start")
    assert [event["type"] for event in events] == ["input_message", "agent_output"] * 2
    assert events[1]["content"] == "one two three four five six seven eight"
    assert got(server, f"/agents/{agent}/sessions/{session}")["status"] == "stopped"
