"""Chains of responses: what the model sees, where they run, forks, and what went into each."""

import pytest
from azure_wire import raw, refused
from openai import NotFoundError

UNKNOWN = "caresp_" + "0" * 16 + "00" + "A" * 32


def test_a_response_continues_another_in_its_session(talk):
    first = talk.responses.create(input="three words")
    second = talk.responses.create(input="what did I say?", previous_response_id=first.id)
    assert second.output_text == "user: three words\nagent: one two three\n"
    assert (second.previous_response_id, second.agent_session_id) == (first.id, first.agent_session_id)
    assert second.id[7:25] == first.id[7:25]
    third = talk.responses.create(input="what did I say?", previous_response_id=second.id)
    assert third.output_text.startswith("user: three words\nagent: one two three\nuser: what did I say?")


def test_a_chain_forks(talk):
    first = talk.responses.create(input="one").id
    for said in ("left", "right"):
        branch = talk.responses.create(input=said, previous_response_id=first).id
        seen = talk.responses.create(input="what did I say?", previous_response_id=branch).output_text
        assert seen == f"user: one\nagent: You said: one\nuser: {said}\nagent: You said: {said}\n"


def test_a_fork_may_start_while_another_still_runs(talk):
    first = talk.responses.create(input="one").id
    running = talk.responses.create(input="hang", previous_response_id=first, background=True).id
    assert talk.responses.create(input="two", previous_response_id=first).output_text == "You said: two"
    talk.responses.cancel(running)


def test_the_body_names_another_session_for_one_call(talk):
    first = talk.responses.create(input="one")
    second = talk.responses.create(
        input="what did I say?", previous_response_id=first.id, extra_body={"agent_session_id": "another-session"}
    )
    assert second.agent_session_id == "another-session" != first.agent_session_id
    assert second.output_text == "user: one\nagent: You said: one\n"


def test_a_response_goes_with_its_session(talk, agents, agent):
    first = talk.responses.create(input="one")
    agents.delete_session(agent, first.agent_session_id)
    with pytest.raises(NotFoundError):
        talk.responses.create(input="two", previous_response_id=first.id)


def test_the_header_names_a_session_for_continuations_only(talk, session):
    named = {"x-agent-session-id": session}
    first = talk.responses.create(input="one", extra_headers=named)
    assert first.agent_session_id != session
    second = talk.responses.create(input="two", previous_response_id=first.id, extra_headers=named)
    assert second.agent_session_id == session


def test_an_unknown_predecessor_is_not_found(talk):
    with pytest.raises(NotFoundError):
        talk.responses.create(input="x", previous_response_id=UNKNOWN)
    deleted = talk.responses.create(input="x").id
    talk.responses.delete(deleted)
    with pytest.raises(NotFoundError):
        talk.responses.create(input="x", previous_response_id=deleted)
    unstored = talk.responses.create(input="x", store=False).id
    with pytest.raises(NotFoundError):
        talk.responses.create(input="x", previous_response_id=unstored)


def test_input_items_are_paged(talk):
    said = [{"role": "user", "content": f"number {number}"} for number in range(7)]
    response = talk.responses.create(input=said)
    listed = list(talk.responses.input_items.list(response.id, limit=3))
    assert [item.content[0].text for item in listed] == [f"number {number}" for number in reversed(range(7))]
    forward = talk.responses.input_items.list(response.id, limit=3, order="asc")
    assert [item.content[0].text for item in forward] == [f"number {number}" for number in range(7)]
    assert len({item.id for item in listed}) == 7
    for item in listed:
        assert (item.type, item.role, item.status, item.id[:4]) == ("message", "user", "completed", "msg_")


def test_a_bare_text_is_one_message_of_the_user(talk):
    response = talk.responses.create(input="three words")
    (item,) = talk.responses.input_items.list(response.id)
    assert (item.type, item.role, item.status) == ("message", "user", "completed")
    assert item.content[0].model_dump(exclude_none=True) == {"type": "input_text", "text": "three words"}


def test_on_the_wire_input_items_are_a_list_with_ends(server, talk):
    response = talk.responses.create(input=[{"role": "user", "content": name} for name in ("a", "b", "c")])
    path = f"/openai/v1/responses/{response.id}/input_items"
    listed = raw(server, "GET", f"{path}?limit=2", version=None).json
    assert set(listed) == {"object", "data", "first_id", "last_id", "has_more"}
    ids = [item["id"] for item in listed["data"]]
    assert (listed["object"], [listed["first_id"], listed["last_id"]], listed["has_more"]) == ("list", ids, True)
    rest = raw(server, "GET", f"{path}?limit=2&after={ids[1]}", version=None).json
    assert (len(rest["data"]), rest["has_more"]) == (1, False)
    before = raw(server, "GET", f"{path}?limit=2&before={rest['data'][0]['id']}", version=None).json
    assert [item["id"] for item in before["data"]] == ids
    unknown = raw(server, "GET", f"{path}?after=msg_nowhere", version=None)
    assert (unknown.status, len(unknown.json["data"])) == (200, 3)
    for query, param in (("limit=0", "limit"), ("limit=101", "limit"), ("order=up", "order")):
        refused(raw(server, "GET", f"{path}?{query}", version=None), 400, "invalid_request_error", param)
