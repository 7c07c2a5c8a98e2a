"""Many requests at one moment."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sederunt import Server
from vectara_wire import got, raw
from wire import Answer

MANY = 16


def at_once(send: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(send, range(MANY)))


def test_one_of_many_gets_a_key(server: Server, agent: str):
    path = f"/agents/{agent}/sessions"
    answers = at_once(lambda at: raw(server, "POST", path, {"key": "one", "metadata": {"at": at}}))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: MANY - 1}
    assert {answer.json["code"] for answer in answers if answer.status == 409} == {"session_exists"}
    (winner,) = (answer.json for answer in answers if answer.status == 201)
    assert got(server, f"{path}/one") == winner
    assert got(server, path)["metadata"]["total_count"] == 1


def test_a_session_answers_one_message_at_a_time(server: Server, agent: str, session: str):
    path = f"/agents/{agent}/sessions/{session}/events"
    answers = at_once(lambda at: raw(server, "POST", path, {"messages": [{"content": f"slow {at}"}]}))
    assert {answer.status for answer in answers} <= {201, 409}
    answered = [answer.json["events"] for answer in answers if answer.status == 201]
    assert answered and all(len(events) == 2 for events in answered)
    listed = got(server, f"{path}?limit=100")["events"]
    assert sorted(event["id"] for event in listed) == sorted(event["id"] for events in answered for event in events)


def test_all_that_follow_up_are_answered(server: Server, agent: str, session: str):
    path = f"/agents/{agent}/sessions/{session}/events"
    body = {"since": "start", "behavior": "follow_up"}
    answers = at_once(lambda at: raw(server, "POST", path, body | {"messages": [{"content": f"message {at}"}]}))
    assert Counter(answer.status for answer in answers) == {201: MANY}
    listed = got(server, f"{path}?limit=100")["events"]
    assert [event["type"] for event in listed] == ["input_message", "agent_output"] * MANY
    for asked, answered in zip(listed[::2], listed[1::2], strict=True):
        assert answered["content"] == f"You said: {asked['messages'][0]['content']}"
    for at, answer in enumerate(answers):
        assert f"You said: message {at}" in [event.get("content") for event in answer.json["events"]]
