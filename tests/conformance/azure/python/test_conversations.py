"""Conversations: their life, the turns that use them, and what a failed turn leaves."""

import pytest
from azure_wire import raw
from openai import APIStatusError, APITimeoutError, ConflictError, NotFoundError

UNKNOWN = "conv_" + "0" * 16 + "00" + "A" * 32


def texts(talk, conversation: str) -> list[str]:
    """What was said, oldest first."""
    return [item.content[0].text for item in talk.conversations.items.list(conversation, order="asc")]


def test_a_conversation_is_made_read_changed_and_deleted(talk):
    made = talk.conversations.create(metadata={"a": "1", "b": "2"})
    assert (made.object, made.metadata, made.id[:5]) == ("conversation", {"a": "1", "b": "2"}, "conv_")
    assert talk.conversations.retrieve(made.id) == made
    changed = talk.conversations.update(made.id, metadata={"c": "3"})
    assert changed.metadata == {"c": "3"}
    assert talk.conversations.retrieve(made.id) == changed
    deleted = talk.conversations.delete(made.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "conversation.deleted", True)
    for call in (talk.conversations.retrieve, talk.conversations.delete):
        with pytest.raises(NotFoundError):
            call(made.id)
    with pytest.raises(NotFoundError):
        talk.conversations.update(made.id, metadata={})


def test_an_empty_conversation_has_all_its_members(server, talk):
    made = raw(server, "POST", "/openai/v1/conversations", {}, version=None)
    assert (made.status, set(made.json)) == (200, {"id", "object", "created_at", "metadata"})
    assert (made.json["metadata"], type(made.json["created_at"])) == ({}, int)


def test_both_bases_know_the_same_conversations(at_agent, at_project):
    conversation = at_agent.conversations.create(metadata={"a": "1"})
    assert at_project.conversations.retrieve(conversation.id) == conversation


def test_turns_append_what_was_said(talk):
    conversation = talk.conversations.create().id
    first = talk.responses.create(input="three words", conversation=conversation)
    assert first.conversation.id == conversation
    second = talk.responses.create(input="what did I say?", conversation={"id": conversation})
    assert second.output_text == "user: three words\nagent: one two three\n"
    assert texts(talk, conversation) == ["three words", "one two three", "what did I say?", second.output_text]
    assert second.agent_session_id == first.agent_session_id


def test_a_streamed_turn_appends_as_well(talk):
    conversation = talk.conversations.create().id
    created, *_ = talk.responses.create(input="three words", conversation=conversation, stream=True)
    assert created.response.conversation.id == conversation
    assert texts(talk, conversation) == ["three words", "one two three"]


def test_a_client_that_gives_up_frees_the_conversation(talk):
    conversation = talk.conversations.create().id
    with pytest.raises(APITimeoutError):
        talk.responses.create(input="hang", conversation=conversation, timeout=0.2)
    # A turn of the conversation waits until the other has been cancelled.
    said = talk.responses.create(input="what did I say?", conversation=conversation)
    assert said.output_text == ""


def test_items_from_the_start_are_seen_by_the_model(talk):
    items = [{"type": "message", "role": "user", "content": "hello"}, {"role": "assistant", "content": "Hello to you."}]
    conversation = talk.conversations.create(items=items).id
    said = talk.responses.create(input="what did I say?", conversation=conversation)
    assert said.output_text == "user: hello\nagent: Hello to you.\n"


def test_a_session_named_in_the_body_becomes_the_conversations(talk, session):
    conversation = talk.conversations.create().id
    before = talk.responses.create(input="one", conversation=conversation)
    assert before.agent_session_id != session
    named = talk.responses.create(input="two", conversation=conversation, extra_body={"agent_session_id": session})
    after = talk.responses.create(input="three", conversation=conversation)
    assert (named.agent_session_id, after.agent_session_id) == (session, session)


def test_a_conversation_outlives_its_session(talk, agents, agent):
    conversation = talk.conversations.create().id
    first = talk.responses.create(input="three words", conversation=conversation)
    agents.delete_session(agent, first.agent_session_id)
    second = talk.responses.create(input="what did I say?", conversation=conversation)
    assert second.output_text == "user: three words\nagent: one two three\n"
    assert agents.get_session(agent, second.agent_session_id).status == "active"
    assert len(talk.conversations.items.list(conversation).data) == 4


@pytest.mark.parametrize("fault", ["fault failed", "break", "fault context_too_large"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_failed_turn_leaves_the_conversation_as_it_was(talk, fault, streamed):
    conversation = talk.conversations.create().id
    talk.responses.create(input="one", conversation=conversation)
    before = texts(talk, conversation)
    try:
        failed = talk.responses.create(input=fault, conversation=conversation, stream=streamed)
        if streamed:
            assert list(failed)[-1].type in ("error", "response.failed")
        else:
            assert failed.status == "failed"
    except APIStatusError as error:
        assert error.status_code >= 400
    assert texts(talk, conversation) == before
    assert talk.responses.create(input="three words", conversation=conversation).output_text == "one two three"


def test_a_cancelled_turn_leaves_the_conversation_as_it_was(talk):
    conversation = talk.conversations.create().id
    running = talk.responses.create(input="hang", conversation=conversation, background=True)
    talk.responses.cancel(running.id)
    assert texts(talk, conversation) == []
    assert talk.responses.create(input="three words", conversation=conversation).output_text == "one two three"


def test_a_second_turn_at_once_is_a_conflict_that_must_not_be_tried_again(talk, at_project):
    conversation = talk.conversations.create().id
    running = talk.responses.create(input="hang", conversation=conversation, background=True)
    retrying = at_project.with_options(max_retries=2)
    reference = {"agent_reference": running.agent_reference}
    with pytest.raises(ConflictError) as refusal:
        retrying.responses.create(input="two", conversation=conversation, extra_body=reference)
    assert (refusal.value.code, refusal.value.type) == ("conversation_locked", "conflict")
    assert refusal.value.body["message"].startswith("Conversation is locked")
    assert refusal.value.response.headers["x-should-retry"] == "false"
    # A request that is sent again says so.
    assert refusal.value.request.headers["x-stainless-retry-count"] == "0"
    talk.responses.cancel(running.id)
    assert talk.responses.create(input="three words", conversation=conversation).output_text == "one two three"


def test_a_second_turn_waits_for_the_first_to_end(talk):
    conversation = talk.conversations.create().id
    talk.responses.create(input="short pause", conversation=conversation, background=True)
    said = talk.responses.create(input="what did I say?", conversation=conversation)
    assert said.output_text == "user: short pause\nagent: one two\n"


def test_unknown_and_deleted_conversations_are_not_found(talk):
    deleted = talk.conversations.create().id
    talk.conversations.delete(deleted)
    for name in (UNKNOWN, deleted):
        with pytest.raises(NotFoundError):
            talk.responses.create(input="x", conversation=name)


def test_a_conversation_and_a_predecessor_exclude_each_other(talk):
    conversation, first = talk.conversations.create().id, talk.responses.create(input="one").id
    with pytest.raises(APIStatusError) as refusal:
        talk.responses.create(input="two", conversation=conversation, previous_response_id=first)
    assert refusal.value.status_code == 400


def test_what_was_said_outlives_its_conversation(talk):
    conversation = talk.conversations.create().id
    said = talk.responses.create(input="three words", conversation=conversation)
    talk.conversations.delete(conversation)
    assert talk.responses.retrieve(said.id).output_text == "one two three"


def test_a_conversation_may_have_a_name_of_its_makers(server, talk, new_name):
    name = new_name()
    made = raw(server, "POST", "/openai/v1/conversations", {"id": name}, version=None)
    assert (made.status, made.json["id"]) == (200, name)
    assert talk.responses.create(input="three words", conversation=name).conversation.id == name
    assert texts(talk, name) == ["three words", "one two three"]
    again = raw(server, "POST", "/openai/v1/conversations", {"id": name}, version=None)
    assert again.status == 409


@pytest.mark.parametrize("metadata", [{f"k{n}": "v" for n in range(17)}, {"k" * 65: "v"}, {"k": "v" * 513}, {"k": 1}])
def test_metadata_has_limits(server, metadata):
    made = raw(server, "POST", "/openai/v1/conversations", {"metadata": metadata}, version=None)
    assert made.status == 400, made.body
