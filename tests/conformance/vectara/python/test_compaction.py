"""Summaries in the place of what was said."""

import pytest
from vectara import BadRequestError
from vectara.types.compaction_config import CompactionConfig
from vectara_clients import Talk, compact, streamed_compact, types


def test_old_turns_become_a_summary(talk):
    for text in ("one", "two", "three"):
        talk.say(text)
    before = talk.list()
    (event,) = talk.send(compact())
    assert event.type == "compaction"
    assert (event.turns_compacted, event.events_compacted) == (2, 4)
    assert event.summary_key and event.summary_text
    listed = talk.list()
    assert sorted(types(listed)) == ["agent_output", "compaction", "input_message"]
    assert {event.id for event in before[4:]} <= {event.id for event in listed}
    every = talk.list(include_hidden=True)
    assert len(every) == 7
    assert [event.hide_reason for event in every if hasattr(event, "hide_reason")] == ["compacted"] * 4
    assert talk.answer("three words") == "one two three"


def test_what_was_compacted_is_told_to_the_model_as_its_summary(talk):
    for text in ("Ada was here", "two", "three"):
        talk.say(text)
    (event,) = talk.send(compact(compaction_message="Sum it up in one sentence."))
    assert event.summary_text == "It began with Ada."
    told = talk.answer("what did I say?")
    assert "It began with Ada." in told and "user: three" in told and "user: two" not in told


def test_a_compaction_may_end_at_an_event(talk):
    at = talk.say("one")[-1].id
    for text in ("two", "three"):
        talk.say(text)
    (event,) = talk.send(compact(compact_up_to_event_id=at))
    assert (event.turns_compacted, event.events_compacted) == (1, 2)
    assert len(talk.list()) == 5


def test_the_agent_says_how_many_inputs_stay(alice, agent: str):
    alice.agents.update(agent, compaction=CompactionConfig(keep_recent_inputs=2))
    talk = Talk(alice, agent, alice.agent_sessions.create(agent).key)
    for text in ("one", "two", "three"):
        talk.say(text)
    (event,) = talk.send(compact())
    assert (event.turns_compacted, event.events_compacted) == (1, 2)


def test_a_stream_tells_when_it_begins(talk):
    for text in ("one", "two"):
        talk.say(text)
    frames = list(talk.opened(streamed_compact()))
    kinds = types(frames)
    assert kinds[0] == "compaction_started" and kinds[-2:] == ["compaction", "end"]
    assert frames[-2].id in {event.id for event in talk.list()}


def test_too_few_turns_cannot_be_compacted(talk):
    for turns in range(2):
        with pytest.raises(BadRequestError) as caught:
            talk.send(compact())
        assert caught.value.body["code"] == "not_enough_turns", turns
        talk.say("one")
    assert len(talk.list()) == 4


def test_an_unknown_event_is_no_place_to_compact_to(talk):
    talk.say("one")
    with pytest.raises(BadRequestError):
        talk.send(compact(compact_up_to_event_id="aev_nothing"))
