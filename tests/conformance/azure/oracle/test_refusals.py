"""Requests that are wrong: the status and the error of each."""

from typing import Any

import pytest

WRONG: dict[str, Any] = {
    "no_json": b"{oops",
    "no_body": b"",
    "array": b"[]",
    "input_number": {"input": 5},
    "model_number": {"model": 5},
    "stream_text": {"stream": "yes"},
    "background_number": {"background": 1},
    "store_text": {"store": "no"},
    "instructions_number": {"instructions": 5},
    "temperature_text": {"temperature": "hot"},
    "metadata_array": {"metadata": []},
    "metadata_number": {"metadata": {"colour": 1}},
    "metadata_pairs": {"metadata": {str(at): "x" for at in range(17)}},
    "metadata_key": {"metadata": {"k" * 65: "x"}},
    "metadata_value": {"metadata": {"key": "x" * 513}},
    "background_unstored": {"background": True, "store": False},
    "stream_options": {"stream_options": {}},
    "predecessor_number": {"previous_response_id": 5},
    "conversation_number": {"conversation": 5},
    "session_number": {"agent_session_id": 7},
    "session_malformed": {"agent_session_id": "a b"},
    "agent_unnamed": {"agent_reference": {"type": "agent_reference"}},
    "agent_other": {"agent_reference": {"type": "agent_reference", "name": "other"}},
    "agent_legacy": {"agent": {"type": "agent_reference", "name": "server-default-agent"}},
    "item_type": {"input": [{"type": "nonsense"}]},
    "item_without_role": {"input": [{"content": "x"}]},
    "item_role": {"input": [{"role": "king", "content": "x"}]},
    "item_content": {"input": [{"role": "user", "content": 5}]},
    "tools_number": {"tools": 5},
    "tool_choice": {"tool_choice": "sometimes"},
    "truncation": {"truncation": "bad"},
    "include": {"include": ["nope"]},
    "two_at_once": {"input": 5, "stream": "x"},
}

VALUES = {"boolean": True, "string": "x", "integer": 5, "array": [], "object": {}}
KINDS = {
    "agent_session_id": ["string"],
    "background": ["boolean", None],
    "conversation": ["string", "object", None],
    "include": ["array", None],
    "input": ["string", "array"],
    "instructions": ["string", None],
    "max_output_tokens": ["integer", None],
    "max_tool_calls": ["integer", None],
    "metadata": ["object", None],
    "model": ["string"],
    "parallel_tool_calls": ["boolean", None],
    "previous_response_id": ["string", None],
    "prompt_cache_key": ["string", None],
    "reasoning": ["object", None],
    "safety_identifier": ["string", None],
    "store": ["boolean", None],
    "stream": ["boolean", None],
    "stream_options": ["object", None],
    "structured_inputs": ["object"],
    "temperature": ["integer", None],
    "text": ["object"],
    "tool_choice": ["object"],
    "tools": ["array"],
    "top_logprobs": ["integer", None],
    "top_p": ["integer", None],
    "user": ["string"],
}
"""What a member of a request may be; anything else is refused."""


@pytest.mark.parametrize("member", KINDS)
def test_kinds(compare, member: str):
    @compare
    def _(side):
        for kind, value in {**VALUES, None: None}.items():
            if kind not in KINDS[member]:
                refused = side.create(**{"input": "three words", member: value})
                assert refused.status == 400, (kind, refused.body)


@pytest.mark.parametrize("name", WRONG)
def test_wrong(compare, name: str):
    body = WRONG[name]
    whole = {"input": "three words", **body} if isinstance(body, dict) else body

    @compare
    def _(side):
        side.request("POST", "/responses", whole)


@pytest.mark.parametrize("method, path", [("PUT", "/responses"), ("POST", "/responses/nonsense")], ids=["put", "post"])
def test_wrong_method(compare, method: str, path: str):
    @compare
    def _(side):
        side.request(method, path, {})


def test_wrong_path(compare):
    @compare
    def _(side):
        side.request("GET", "/nothing")


def test_any_content_type(compare):
    @compare
    def _(side):
        side.request("POST", "/responses", b'{"input":"three words"}', headers={"content-type": "text/plain"})


def test_malformed_given_id(compare):
    @compare
    def _(side):
        side.create("three words", headers={"x-agent-response-id": "nonsense"})
