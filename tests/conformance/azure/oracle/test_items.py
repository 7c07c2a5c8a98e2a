"""The input items of a response: what they look like and how they are paged."""

import pytest

CONVERSATION = [
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "yes", "annotations": []}]},
    {"role": "developer", "content": [{"type": "input_text", "text": "second"}]},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "third"},
            {"type": "input_image", "image_url": "http://127.0.0.1/pump.png", "detail": "auto"},
        ],
    },
]


def test_items(compare):
    @compare
    def _(side):
        made = side.create(CONVERSATION)
        side.items(made.id)


def test_paged_items(compare):
    @compare
    def _(side):
        made = side.create(CONVERSATION, note=False)
        ids = [item["id"] for item in side.items(made.id, order="asc").json["data"]]
        side.items(made.id, limit=2)
        side.items(made.id, limit=2, order="asc")
        side.items(made.id, order="asc", after=ids[1])
        side.items(made.id, order="asc", before=ids[2])
        side.items(made.id, order="asc", after=ids[0], before=ids[3])
        side.items(made.id, limit=1, after=ids[2])
        side.items(made.id, after=ids[0])


def test_unknown_cursor(compare):
    @compare
    def _(side):
        made = side.create(CONVERSATION, note=False)
        side.items(made.id, after="msg_nobody")
        side.items(made.id, before="msg_nobody")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"order": "up"}], ids=str)
def test_wrong_page(compare, query: dict[str, object]):
    @compare
    def _(side):
        side.items(side.create("three words", note=False).id, **query)


def test_function_items(compare):
    @compare
    def _(side):
        made = side.create(
            [
                {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
            ],
            note=False,
        )
        side.items(made.id)


def test_referred_item(compare):
    @compare
    def _(side):
        made = side.create("three words", note=False)
        item = side.items(made.id).json["data"][0]["id"]
        second = side.create([{"type": "item_reference", "id": item}])
        side.items(second.id)
