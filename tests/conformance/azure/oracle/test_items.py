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


def test_named_items(compare):
    @compare
    def _(side):
        said = {"type": "message", "id": "msg_mine", "role": "user", "status": "in_progress", "content": "hello"}
        side.items(side.create([said | {"colour": "blue"}]).id)


def test_outputs_in_parts(compare):
    @compare
    def _(side):
        made = side.create(
            [
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"at":"pump"}'},
                {
                    "type": "function_call_output",
                    "call_id": "call_1",
                    "output": [{"type": "input_text", "text": "a pump"}],
                },
                {"role": "user", "content": "hello"},
            ],
            note=False,
        )
        side.items(made.id)


ITEMS = {
    "reasoning": {"id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "abc"},
    "web_search_call": {"id": "ws_1", "status": "completed", "action": {"type": "search", "query": "pumps"}},
    "file_search_call": {"id": "fs_1", "status": "in_progress", "queries": ["pumps"], "results": None},
    "code_interpreter_call": {
        "id": "ci_1",
        "status": "completed",
        "container_id": "c",
        "code": "print(1)",
        "outputs": [{"type": "logs", "logs": "1"}],
    },
    "image_generation_call": {"id": "ig_1", "status": "completed", "result": "AAAA"},
    "mcp_call": {"id": "mcp_1", "server_label": "pumps", "name": "list", "arguments": "{}", "output": "P1"},
    "mcp_list_tools": {"id": "mcpl_1", "server_label": "pumps", "tools": []},
    "mcp_approval_request": {"id": "mcpr_1", "server_label": "pumps", "name": "stop", "arguments": "{}"},
    "mcp_approval_response": {"approval_request_id": "mcpr_1", "approve": True},
    "custom_tool_call": {"call_id": "call_1", "name": "grep", "input": "pump"},
    "custom_tool_call_output": {"call_id": "call_1", "output": "P1"},
    "compaction": {"encrypted_content": "abc"},
    "local_shell_call_output": {"id": "call_1", "output": "P1"},
    "apply_patch_call": {
        "call_id": "call_1",
        "status": "in_progress",
        "operation": {"type": "delete_file", "path": "pump.txt"},
    },
    "apply_patch_call_output": {"call_id": "call_1", "status": "completed", "output": "done"},
}
"""Items that mean nothing to Sederunt itself, and are kept."""


@pytest.mark.parametrize("kind", ITEMS)
def test_kept_items(compare, kind: str):
    @compare
    def _(side):
        made = side.create([{"type": kind, **ITEMS[kind]}, {"role": "user", "content": "three words"}])
        side.items(made.id)
