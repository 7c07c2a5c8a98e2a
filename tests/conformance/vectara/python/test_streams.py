"""Streams, through the SDK's own parser."""

import logging
from uuid import UUID

import pytest
from vectara import NotFoundError
from vectara_clients import Talk, spoken, streamed_compact, types

LETTERS = "Grüße, 東京 und 🐝🐝 — مرحبا"


@pytest.fixture(autouse=True)
def no_warnings(caplog):
    """The SDK drops a frame that it does not understand, and says so in its log."""
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith("vectara")] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_answer_comes_in_pieces_and_is_found_afterwards(talk):
    frames = talk.stream("three words")
    assert types(frames) == [
        "input_message",
        *["streaming_agent_output"] * 3,
        "streaming_agent_output_end",
        "context_consumed",
        "end",
    ]
    assert [frame.content for frame in frames[1:4]] == ["one ", "two ", "three"]
    events = talk.list()
    assert frames[0].model_dump() == events[0].model_dump()
    kept = talk.events.get(talk.agent, talk.session, frames[4].event_id)
    assert (kept, kept.content) == (events[1], "one two three")
    usage = frames[5].session_context_usage
    assert (usage.input_tokens.count, usage.output_tokens.count, usage.total_tokens) == (7, 3, 10)


def test_no_character_is_lost(talk):
    frames = talk.stream("letters")
    assert spoken(frames) == LETTERS
    assert sum(frame.type == "streaming_agent_output" for frame in frames) == len(LETTERS)
    assert talk.list()[-1].content == LETTERS


def test_what_was_said_comes_back_as_it_was(talk):
    text = "🐝 مرحبا \u2028 \x7f \\ \" " * 40
    frames = talk.stream(text)
    assert frames[0].messages[0].content == text
    assert spoken(frames) == f"You said: {text}"


def test_thinking_comes_before_the_answer(talk):
    frames = talk.stream("think")
    kinds = types(frames)
    assert kinds.index("streaming_thinking_end") < kinds.index("streaming_agent_output")
    assert "".join(frame.content for frame in frames if frame.type == "streaming_thinking") == "Let me see."
    assert spoken(frames) == "I see."


def test_a_tool_s_events_are_whole_frames(talk):
    frames = talk.stream("look it up")
    events = talk.list()
    for at, kind in ((1, "tool_input"), (2, "tool_output")):
        (frame,) = [frame for frame in frames if frame.type == kind]
        assert frame.model_dump() == events[at].model_dump()
    assert types(frames).index("tool_output") < types(frames).index("streaming_agent_output")


def test_an_answer_that_breaks_off_ends_with_an_error(talk):
    frames = talk.stream("break")
    assert types(frames)[-2:] == ["error", "end"] and types(frames).count("error") == 1
    assert frames[-2].messages and spoken(frames) == "one two "
    assert talk.list()[-1].content == "one two "


def test_a_full_context_is_told(talk):
    frames = talk.stream("fault context_too_large")
    assert "context_limit_exceeded" in types(frames) and types(frames)[-1] == "end"


def test_a_stream_stays_alive_while_nothing_comes(talk):
    # Comments come every 100 ms meanwhile.
    assert spoken(talk.stream("slow")) == "one two three four five six seven eight"


def test_too_little_to_compact_is_an_error_in_a_stream(talk):
    frames = list(talk.opened(streamed_compact()))
    assert types(frames) == ["error", "end"]


def test_what_is_refused_before_the_stream_is_an_ordinary_error(alice, agent: str):
    with pytest.raises(NotFoundError):
        Talk(alice, agent, "ase_nothing").stream("hello")


def test_ids_of_events_are_made_of_uuids(talk):
    frames = talk.stream("three words")
    UUID(frames[0].id.removeprefix("aev_")[:36])
