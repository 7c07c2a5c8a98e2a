"""Responses that are waited for: what they say, in which session they run, and how they are read and deleted."""

import re

import pytest
from azure_wire import raw, refused
from openai import APIStatusError, NotFoundError


def body_of(response) -> dict:
    return response.model_dump()


def test_a_response_has_all_that_clients_read(talk, agent):
    said = talk.responses.create(input="three words", metadata={"a": "1"})
    assert re.fullmatch(r"caresp_[0-9a-f]{16}00[A-Za-z0-9]{32}", said.id)
    assert (said.object, said.status, said.output_text) == ("response", "completed", "one two three")
    assert (said.error, said.incomplete_details, said.metadata) == (None, None, {"a": "1"})
    assert said.completed_at >= said.created_at
    assert (said.parallel_tool_calls is not None, said.tools, said.background) == (True, [], False)
    usage = said.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (7, 3, 10)
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (2, 1)
    assert said.agent_reference == {"type": "agent_reference", "name": agent, "version": "1"}
    assert said.response_id == said.id
    message = said.output[0]
    assert (message.type, message.role, message.status, message.response_id) == (
        "message",
        "assistant",
        "completed",
        said.id,
    )
    assert message.id.startswith("msg_") and message.id[4:22] == said.id[7:25]
    assert message.content[0].model_dump() == {
        "type": "output_text", "text": "one two three", "annotations": [], "logprobs": [],
    }  # fmt: skip


def test_the_session_is_named_in_the_body_and_in_a_header(talk, agents, agent, session):
    answer = talk.responses.with_raw_response.create(
        input="three words",
        extra_body={
            "agent_session_id": session,
            "agent_reference": {"type": "agent_reference", "name": agent},
        },
    )
    assert answer.headers["x-agent-session-id"] == session
    assert answer.parse().agent_session_id == session
    assert answer.parse()._request_id == answer.headers["x-request-id"]


def test_a_response_without_a_session_makes_one(talk, agents, agent):
    said = talk.responses.create(input="three words")
    assert agents.get_session(agent, said.agent_session_id).status == "active"
    assert talk.responses.create(input="three words").agent_session_id != said.agent_session_id
    empty = talk.responses.create(input="three words", extra_body={"agent_session_id": ""})
    assert empty.agent_session_id


def test_an_unknown_session_is_made_under_its_name(talk, agents, agent, session):
    said = talk.responses.create(input="three words", extra_body={"agent_session_id": "made-on-the-fly"})
    assert said.agent_session_id == "made-on-the-fly"
    agents.delete_session(agent, session)
    again = talk.responses.create(input="three words", extra_body={"agent_session_id": session})
    assert (again.agent_session_id, agents.get_session(agent, session).status) == (session, "active")


@pytest.mark.parametrize("name", ["short", "with blank", "ünïcödë-name", "line\nbreak-name", 12345678])
def test_a_malformed_session_id_is_refused(talk, name):
    with pytest.raises(APIStatusError) as refusal:
        talk.responses.create(input="three words", extra_body={"agent_session_id": name})
    assert refusal.value.status_code == 400


def test_a_malformed_session_id_is_named(at_agent):
    with pytest.raises(APIStatusError) as refusal:
        at_agent.responses.create(input="three words", extra_body={"agent_session_id": "short"})
    assert refusal.value.param == "agent_session_id"


def test_a_stopped_session_goes_on(talk, agents, agent, session):
    agents.stop_session(agent, session)
    talk.responses.create(input="three words", extra_body={"agent_session_id": session})
    resumed = agents.get_session(agent, session)
    assert (resumed.status, resumed.stopped_at is not None) == ("active", True)


@pytest.mark.parametrize(
    "said",
    [
        "three words",
        [{"role": "user", "content": "three words"}],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "three words"}]}],
        [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Hello to you."}]},
            {"role": "user", "content": "three words"},
        ],
    ],
)
def test_input_has_several_forms(talk, said):
    assert talk.responses.create(input=said).output_text == "one two three"


def test_a_response_needs_no_input_and_ignores_what_it_does_not_know(talk):
    assert talk.responses.create().status == "completed"
    said = talk.responses.create(
        input="three words", model="any", temperature=0.5, extra_body={"of_the_future": {"a": 1}}
    )
    assert (said.output_text, said.model) == ("one two three", "any")


def test_text_beyond_ascii_arrives_whole(talk):
    assert talk.responses.create(input="letters").output_text == "Grüße, 東京 und 🐝🐝"
    assert talk.responses.create(input="say “東京” 🐝").output_text == "You said: say “東京” 🐝"


def test_reasoning_is_an_item_of_its_own(talk):
    reasoning, message = talk.responses.create(input="think").output
    assert (reasoning.type, reasoning.id[:3]) == ("reasoning", "rs_")
    assert [part.text for part in reasoning.summary or reasoning.content] == ["Let me see."]
    assert message.content[0].text == "I see."


def test_a_refusal_is_a_part_of_the_message(talk):
    said = talk.responses.create(input="refuse")
    assert [part.model_dump() for part in said.output[0].content] == [
        {"type": "refusal", "refusal": "I will not do that."}
    ]
    assert (said.status, said.output_text) == ("completed", "")


def test_an_answer_that_was_cut_is_incomplete(talk):
    said = talk.responses.create(input="cut")
    assert (said.status, said.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert said.output_text == "only the beginning"
    assert talk.responses.create(input="filtered").incomplete_details.reason == "content_filter"


def test_a_response_is_read_again_as_it_was(talk):
    said = talk.responses.create(input="three words", metadata={"a": "1"})
    assert body_of(talk.responses.retrieve(said.id)) == body_of(said)


def test_a_request_that_the_client_repeats_is_answered_by_the_first(server, agent):
    path, body = f"/agents/{agent}/endpoint/protocols/openai/responses", {"input": "three words"}
    first = raw(server, "POST", path, body).json
    assert raw(server, "POST", path, body, headers={"x-stainless-retry-count": "1"}).json == first
    assert raw(server, "POST", path, body, headers={"x-stainless-retry-count": "0"}).json["id"] != first["id"]


def test_both_bases_read_the_same_responses(at_agent, at_project, server, agent):
    said = at_agent.responses.create(input="three words")
    assert body_of(at_project.responses.retrieve(said.id)) == body_of(said)
    misspelt = raw(server, "GET", f"/agents/{agent}/endpoint/protocols/openai/v1/responses/{said.id}")
    assert (misspelt.status, misspelt.json["id"]) == (200, said.id)
    made = raw(server, "POST", f"/agents/{agent}/endpoint/protocols/openai/v1/responses", {"input": "three words"})
    assert (made.status, made.json["status"]) == (200, "completed")


def test_a_deleted_response_is_gone(talk, server):
    said = talk.responses.create(input="three words")
    assert talk.responses.delete(said.id) is None
    with pytest.raises(NotFoundError) as refusal:
        talk.responses.retrieve(said.id)
    assert (refusal.value.code, refusal.value.param) == ("invalid_request_error", "response_id")
    with pytest.raises(NotFoundError):
        talk.responses.delete(said.id)


def test_a_deletion_says_what_it_deleted(at_agent, server, agent):
    said = at_agent.responses.create(input="three words")
    deleted = raw(server, "DELETE", f"/openai/v1/responses/{said.id}", version=None)
    assert (deleted.status, deleted.json) == (200, {"id": said.id, "object": "response", "deleted": True})


def test_what_is_not_stored_is_not_found(talk):
    said = talk.responses.create(input="three words", store=False)
    assert (said.output_text, said.store) == ("one two three", False)
    with pytest.raises(NotFoundError) as refusal:
        talk.responses.retrieve(said.id)
    assert refusal.value.body["message"] == f"Response with id '{said.id}' not found."


def test_at_the_project_the_agent_must_be_named(at_project, server, agent):
    for reference, status in (
        ({"type": "agent_reference", "name": "nobody"}, 404),
        ({"type": "agent_reference", "name": agent, "version": "9"}, 404),
        ({"type": "agent_reference"}, 400),
    ):
        answer = raw(server, "POST", "/openai/v1/responses", {"input": "x", "agent_reference": reference}, version=None)
        assert answer.status == status, answer.body
    named = {"type": "agent_reference", "name": agent, "version": "1"}
    said = at_project.responses.create(input="three words", extra_body={"agent_reference": named})
    assert said.agent_reference == named


def test_the_old_name_of_the_reference_is_told_apart(server, agent):
    body = {"input": "x", "agent": {"type": "agent_reference", "name": agent}}
    error = raw(server, "POST", "/openai/v1/responses", body, version=None)
    assert error.status == 400
    assert error.json["error"]["message"] == "The 'agent' property is deprecated. Use 'agent_reference' instead."


def test_below_an_endpoint_another_agent_may_not_be_named(at_agent, agent, new_agent):
    same = {"type": "agent_reference", "name": agent}
    assert at_agent.responses.create(input="three words", extra_body={"agent_reference": same}).status == "completed"
    with pytest.raises(APIStatusError) as refusal:
        at_agent.responses.create(input="x", extra_body={"agent_reference": same | {"name": new_agent()}})
    assert refusal.value.status_code == 400


def test_an_api_key_serves_as_well_as_a_bearer_token(server, agent):
    headers = {"api-key": server.token("alice")}
    path = f"/agents/{agent}/endpoint/protocols/openai/responses"
    answer = raw(server, "POST", path, {"input": "three words"}, token=None, headers=headers)
    assert answer.status == 200
    refused(raw(server, "POST", path, {"input": "x"}, token=None), 401, "unauthorized")
