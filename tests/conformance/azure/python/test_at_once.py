"""Many requests at the same moment: names are given once, numbers are not given twice, turns wait for each other."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from azure_wire import HOSTED, raw

CLIENTS = 16


def at_once(call, inputs) -> list:
    """The results of a call for each input, all begun together."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(call, inputs))


def test_of_many_who_want_one_id_one_gets_it(server, agent):
    sessions = f"/agents/{agent}/endpoint/sessions"
    made = at_once(lambda _: raw(server, "POST", sessions, {"agent_session_id": "wanted-by-all"}), range(CLIENTS))
    assert Counter(answer.status for answer in made) == {201: 1, 409: CLIENTS - 1}


def test_responses_that_name_one_unknown_session_share_it(server, agent):
    path = f"/agents/{agent}/endpoint/protocols/openai/responses"
    body = {"input": "three words", "agent_session_id": "made-by-one-of-all"}
    said = at_once(lambda _: raw(server, "POST", path, body), range(CLIENTS))
    assert [answer.status for answer in said] == [200] * CLIENTS
    assert len({answer.json["id"] for answer in said}) == CLIENTS
    listed = raw(server, "GET", f"/agents/{agent}/endpoint/sessions").json["data"]
    assert [session["agent_session_id"] for session in listed] == ["made-by-one-of-all"]


def test_versions_made_at_once_have_numbers_of_their_own(server, name):
    def make(number: int):
        definition = HOSTED | {"environment_variables": {"NUMBER": str(number)}}
        return raw(server, "POST", f"/agents/{name}/versions", {"definition": definition})

    made = at_once(make, range(CLIENTS))
    assert {answer.status for answer in made} == {200}, [answer.body for answer in made if answer.status != 200]
    assert sorted(int(answer.json["version"]) for answer in made) == list(range(1, CLIENTS + 1))


def test_equal_versions_made_at_once_are_one(server, name):
    body = {"definition": HOSTED}
    made = at_once(lambda _: raw(server, "POST", f"/agents/{name}/versions", body), range(CLIENTS))
    assert {(answer.status, answer.json["version"]) for answer in made} == {(200, "1")}


def test_turns_of_one_conversation_come_one_after_the_other(server, agent):
    base = f"/agents/{agent}/endpoint/protocols/openai"
    conversation = raw(server, "POST", f"{base}/conversations", {}).json["id"]

    def say(number: int):
        return raw(server, "POST", f"{base}/responses", {"input": f"number {number}", "conversation": conversation})

    said = at_once(say, range(CLIENTS))
    assert {answer.status for answer in said} <= {200, 409}
    taken = [answer.json["output"][0]["content"][0]["text"] for answer in said if answer.status == 200]
    assert taken
    items = raw(server, "GET", f"{base}/conversations/{conversation}/items?order=asc&limit=100").json["data"]
    texts = [item["content"][0]["text"] for item in items]
    # Question and answer alternate: no turn saw another half done.
    assert texts[1::2] == [f"You said: {text}" for text in texts[::2]]
    assert sorted(texts[1::2]) == sorted(taken)


def test_many_readers_of_one_stream_are_told_the_same(server, agent):
    path = f"/agents/{agent}/endpoint/protocols/openai/responses"
    started = raw(server, "POST", path, {"input": "slow", "background": True, "stream": True})
    events = [json.loads(line[6:]) for line in started.body.decode().splitlines() if line.startswith("data: ")]
    identifier = events[0]["response"]["id"]

    def read(after: int) -> list:
        answer = raw(server, "GET", f"{path}/{identifier}?stream=true&starting_after={after}")
        return [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: ")]

    for after, told in enumerate(at_once(read, range(len(events)))):
        assert told == events[after + 1 :]


def test_of_many_cancellations_all_see_one_end(server, agent):
    path = f"/agents/{agent}/endpoint/protocols/openai/responses"
    started = raw(server, "POST", path, {"input": "hang", "background": True}).json["id"]
    cancelled = at_once(lambda _: raw(server, "POST", f"{path}/{started}/cancel"), range(CLIENTS))
    assert {(answer.status, answer.json["status"]) for answer in cancelled} == {(200, "cancelled")}
    deleted = at_once(lambda _: raw(server, "DELETE", f"{path}/{started}"), range(CLIENTS))
    assert {answer.status for answer in deleted} <= {200, 404} and 200 in {answer.status for answer in deleted}
