"""The lists of responses and conversations that the vendor adds to the protocol."""

import pytest
from azure_wire import raw, refused

BASES = ["/openai/v1", "/agents/{agent}/endpoint/protocols/openai"]


@pytest.fixture(scope="module")
def said(server, new_agent) -> tuple[str, str, list[str]]:
    """An agent, a conversation with it, and the ids of five responses, oldest first; the last two are in it."""
    agent = new_agent()
    base = f"/agents/{agent}/endpoint/protocols/openai"
    conversation = raw(server, "POST", f"{base}/conversations", {}).json["id"]
    bodies = [{"input": "three words"}] * 3 + [{"input": "three words", "conversation": conversation}] * 2
    return agent, conversation, [raw(server, "POST", f"{base}/responses", body).json["id"] for body in bodies]


def listed(server, path: str) -> dict:
    answer = raw(server, "GET", path)
    assert answer.status == 200, answer.body
    ids = [entry["id"] for entry in answer.json["data"]]
    assert (answer.json["first_id"], answer.json["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return {"ids": ids, "has_more": answer.json["has_more"]}


@pytest.mark.parametrize("base", BASES)
def test_responses_are_listed_by_agent_newest_first(server, said, base):
    agent, conversation, made = said
    path = base.format(agent=agent) + "/responses"
    newest = made[::-1]
    assert listed(server, f"{path}?agent_name={agent}") == {"ids": newest, "has_more": False}
    assert listed(server, f"{path}?agent_id={agent}:1&order=asc")["ids"] == made
    assert listed(server, f"{path}?agent_id={agent}:2")["ids"] == []
    assert listed(server, f"{path}?agent_name={agent}&limit=2&after={newest[0]}") == {
        "ids": newest[1:3],
        "has_more": True,
    }
    assert listed(server, f"{path}?conversation_id={conversation}")["ids"] == newest[:2]


def test_an_entry_is_the_response_itself(server, said):
    agent, _, made = said
    entry = raw(server, "GET", f"/openai/v1/responses?agent_name={agent}&limit=1").json["data"][0]
    assert entry == raw(server, "GET", f"/openai/v1/responses/{made[-1]}").json


@pytest.mark.parametrize("base", BASES)
def test_conversations_are_listed(server, said, base):
    agent, conversation, _ = said
    path = base.format(agent=agent) + "/conversations"
    assert listed(server, f"{path}?agent_name={agent}")["ids"] == [conversation]
    later = [raw(server, "POST", path, {}).json["id"] for _ in range(3)]
    assert listed(server, f"{path}?limit=3") == {"ids": later[::-1], "has_more": True}
    assert listed(server, f"{path}?limit=1&after={later[1]}")["ids"] == later[:1]


@pytest.mark.parametrize("path", ["/openai/v1/responses", "/openai/v1/conversations"])
@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("order=up", "order"), ("after=nothing-here", "after")]
)
def test_questions_that_make_no_sense_are_refused(server, path, query, param):
    refused(raw(server, "GET", f"{path}?{query}"), 400, "invalid_request_error", param)


def test_others_responses_are_not_listed(server, said):
    agent, _, _ = said
    answer = raw(server, "GET", f"/openai/v1/responses?agent_name={agent}", token="bob")
    assert answer.json["data"] == []
