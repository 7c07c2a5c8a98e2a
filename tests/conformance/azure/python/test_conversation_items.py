"""Items of conversations: adding, reading, listing, deleting."""

import pytest
from azure_wire import raw
from openai import APIStatusError, NotFoundError


def message(text: str) -> dict:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


@pytest.fixture
def conversation(talk) -> str:
    return talk.conversations.create().id


def test_items_are_added_and_read(talk, conversation):
    added = talk.conversations.items.create(conversation, items=[message("a"), message("b")])
    assert (added.object, added.has_more) == ("list", False)
    first, second = added.data
    assert (added.first_id, added.last_id) == (first.id, second.id)
    assert (first.type, first.role, first.status, first.id[:4]) == ("message", "user", "completed", "msg_")
    assert first.content[0].model_dump(exclude_none=True) == {"type": "input_text", "text": "a"}
    assert talk.conversations.items.retrieve(first.id, conversation_id=conversation) == first


def test_items_are_listed_newest_first_in_pages(talk, conversation):
    for start in (0, 20):
        talk.conversations.items.create(conversation, items=[message(str(n)) for n in range(start, start + 20)])
    listed = [item.content[0].text for item in talk.conversations.items.list(conversation, limit=15)]
    assert listed == [str(n) for n in reversed(range(40))]
    forward = [item.content[0].text for item in talk.conversations.items.list(conversation, limit=15, order="asc")]
    assert forward == listed[::-1]
    assert len(talk.conversations.items.list(conversation).data) == 20


def test_an_empty_conversation_has_an_empty_list(talk, server, conversation):
    assert list(talk.conversations.items.list(conversation)) == []
    listed = raw(server, "GET", f"/openai/v1/conversations/{conversation}/items", version=None).json
    assert listed == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_a_deleted_item_is_seen_by_nobody(talk, conversation):
    first, second = talk.conversations.items.create(conversation, items=[message("a"), message("b")]).data
    left = talk.conversations.items.delete(first.id, conversation_id=conversation)
    assert (left.object, left.id) == ("conversation", conversation)
    assert [item.id for item in talk.conversations.items.list(conversation)] == [second.id]
    with pytest.raises(NotFoundError):
        talk.conversations.items.retrieve(first.id, conversation_id=conversation)
    assert talk.responses.create(input="what did I say?", conversation=conversation).output_text == "user: b\n"


def test_items_of_every_kind_are_kept(talk, conversation):
    items = [
        {"type": "function_call", "call_id": "call_1", "name": "get", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "done"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]},
        {"role": "system", "content": "Be brief."},
    ]
    added = talk.conversations.items.create(conversation, items=items).data
    assert [item.type for item in added] == ["function_call", "function_call_output", "reasoning", "message", "message"]
    assert (added[0].arguments, added[1].output, added[2].summary[0].text) == ('{"a": 1}', "done", "hm")
    assert added[3].content[0].type == "output_text"
    assert len({item.id for item in added}) == 5


@pytest.mark.parametrize("count", [0, 21])
def test_items_are_added_by_1_to_20(talk, conversation, count):
    with pytest.raises(APIStatusError) as refusal:
        talk.conversations.items.create(conversation, items=[message("a")] * count)
    assert refusal.value.status_code == 400
    if count:
        with pytest.raises(APIStatusError) as refusal:
            talk.conversations.create(items=[message("a")] * count)
        assert refusal.value.status_code == 400


def test_unknown_items_and_conversations_are_not_found(talk, conversation):
    for call in (talk.conversations.items.retrieve, talk.conversations.items.delete):
        with pytest.raises(NotFoundError):
            call("msg_" + "0" * 16 + "00" + "A" * 32, conversation_id=conversation)
    with pytest.raises(NotFoundError):
        list(talk.conversations.items.list("conv_" + "0" * 16 + "00" + "A" * 32))
    with pytest.raises(NotFoundError):
        talk.conversations.items.create("conv_" + "0" * 16 + "00" + "A" * 32, items=[message("a")])


def test_the_items_of_a_turn_are_in_its_conversation_under_their_ids(talk, conversation):
    said = talk.responses.create(input="three words", conversation=conversation)
    answer, question = talk.conversations.items.list(conversation).data
    assert (answer.id, question.role) == (said.output[0].id, "user")
    assert talk.conversations.items.retrieve(answer.id, conversation_id=conversation).content[0].text == "one two three"
