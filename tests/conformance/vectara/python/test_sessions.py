"""One session: made, read, changed and deleted."""

import re
from datetime import UTC, datetime

import pytest
from vectara import BadRequestError, NotFoundError
from vectara.core.api_error import ApiError
from vectara_clients import ONCE, Talk, interrupt, streamed_message


def test_a_session_needs_nothing(alice, agent: str):
    made = alice.agent_sessions.create(agent)
    assert re.fullmatch(r"ase_[0-9a-z_-]+_[0-9a-f]{4}", made.key) and len(made.key) <= 50
    assert (made.id, made.agent_key, made.enabled) == (made.key, agent, True)
    assert made.name and (made.description, made.metadata, made.tti_minutes) == ("", {}, 0)
    assert made.status == "unstarted"
    assert abs((datetime.now(UTC) - made.created_at).total_seconds()) < 60
    assert made.effective_compaction.model_dump(exclude_none=True) == {
        "enabled": True,
        "threshold_percent": 80,
        "keep_recent_inputs": 1,
        "tool_event_policy": "include_outputs",
    }
    assert alice.agent_sessions.get(agent, made.key) == made


def test_a_session_may_be_given_everything(alice, agent: str):
    metadata = {"topic": "astronomy", "test": True, "deep": {"list": [1, 2.5, None, "ü"]}, "none": None}
    given = {
        "key": "My-Session_77",
        "name": "Ticket 77 🎫",
        "description": "Café, naïve, Ärger",
        "metadata": metadata,
        "enabled": False,
        "tti_minutes": 30,
    }
    made = alice.agent_sessions.create(agent, **given)
    assert {name: getattr(made, name) for name in given} == given
    assert alice.agent_sessions.get(agent, made.key) == made


def test_a_generated_key_is_made_of_the_name(alice, agent: str):
    made = alice.agent_sessions.create(agent, name="Technical Support\tCHAT 2026-05 (äx)!")
    assert re.fullmatch(r"ase_technical_support_chat_2026-05_x_[0-9a-f]{4}", made.key)
    again = alice.agent_sessions.create(agent, name="Technical Support\tCHAT 2026-05 (äx)!")
    assert again.key != made.key
    long = alice.agent_sessions.create(agent, name="n" * 200)
    assert len(long.key) == 50 and long.name == "n" * 200


def test_a_key_is_taken_once_for_each_agent(alice, agent: str, new_agent):
    alice.agent_sessions.create(agent, key="one")
    with pytest.raises(ApiError) as caught:
        alice.agent_sessions.create(agent, key="one", request_options=ONCE)
    assert caught.value.status_code == 409
    assert alice.agent_sessions.create(new_agent(), key="one").key == "one"


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("description", "Ça va très bien"),
        ("name", "Renamed 🚀 session"),
        ("enabled", False),
        ("metadata", {"x": {"y": [1]}}),
        ("tti_minutes", 5),
    ],
)
def test_each_thing_changes_alone(alice, agent: str, change: str, value):
    made = alice.agent_sessions.create(agent, name="Before", metadata={"gone": True})
    changed = alice.agent_sessions.update(agent, made.key, **{change: value})
    assert changed == made.model_copy(update={change: value})
    assert alice.agent_sessions.get(agent, made.key) == changed


def test_a_session_is_disabled_and_enabled_again(alice, agent: str, session: str):
    assert alice.agent_sessions.update(agent, session, enabled=False).enabled is False
    assert alice.agent_sessions.update(agent, session, enabled=True).enabled is True


def test_an_empty_change_changes_nothing(alice, agent: str, session: str):
    assert alice.agent_sessions.update(agent, session) == alice.agent_sessions.get(agent, session)


def test_none_clears(alice, agent: str):
    full = {"description": "d", "metadata": {"a": 1}, "enabled": False, "tti_minutes": 9}
    made = alice.agent_sessions.create(agent, name="Kept", **full)
    cleared = alice.agent_sessions.update(agent, made.key, **dict.fromkeys(full))
    assert (cleared.name, cleared.description, cleared.metadata) == ("Kept", "", {})
    assert (cleared.enabled, cleared.tti_minutes) == (True, 0)
    with pytest.raises(BadRequestError) as caught:
        alice.agent_sessions.update(agent, made.key, name=None)
    assert "name" in caught.value.body["field_errors"]


def test_a_deleted_session_is_gone_with_its_events(alice, talk):
    event = talk.say("hello")[0].id
    alice.agent_sessions.delete(talk.agent, talk.session)
    for gone in (
        lambda: alice.agent_sessions.get(talk.agent, talk.session),
        lambda: alice.agent_sessions.delete(talk.agent, talk.session),
        lambda: alice.agent_sessions.update(talk.agent, talk.session, name="x"),
        lambda: alice.agent_events.get(talk.agent, talk.session, event),
        lambda: talk.say("hello"),
    ):
        with pytest.raises(NotFoundError) as caught:
            gone()
        assert caught.value.body["code"] == "session_not_found"
    # Its key is free, and nothing of it comes back.
    again = alice.agent_sessions.create(talk.agent, key=talk.session)
    assert again.status == "unstarted" and talk.list() == []


def test_a_running_session_is_interrupted_and_deleted(alice, talk):
    frames = talk.opened(streamed_message("hang"))
    assert next(frames).type == "input_message"
    alice.agent_sessions.delete(talk.agent, talk.session)
    assert [frame.type for frame in frames][-1] == "end"
    with pytest.raises(NotFoundError):
        alice.agent_sessions.get(talk.agent, talk.session)


def test_there_is_no_session_with_an_unknown_agent(alice, agent: str):
    for call in (
        lambda: alice.agent_sessions.create("agt_nobody"),
        lambda: alice.agent_sessions.get("agt_nobody", "ase_x"),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.body["code"] == "agent_not_found"
    with pytest.raises(NotFoundError) as caught:
        alice.agent_sessions.get(agent, "ase_nothing")
    assert caught.value.body["code"] == "session_not_found"


def test_another_user_s_session_is_none(alice, bob, agent: str, session: str):
    with pytest.raises(NotFoundError):
        bob.agent_sessions.get(agent, session)
    with pytest.raises(NotFoundError):
        bob.agent_sessions.delete(agent, session)
    assert [found.key for found in bob.agent_sessions.list(agent)] == []
    assert [found.key for found in alice.agent_sessions.list(agent)] == [session]


def test_a_session_says_how_it_stands(alice, talk):

    def status() -> str:
        return alice.agent_sessions.get(talk.agent, talk.session).status

    assert status() == "unstarted"
    frames = talk.opened(streamed_message("hang"))
    next(frames)
    assert status() == "running"
    talk.send(interrupt())
    list(frames)
    assert status() == "stopped"


def test_a_session_says_how_full_its_context_is(alice, talk):
    assert alice.agent_sessions.get(talk.agent, talk.session).session_context_usage is None
    talk.say("three words")
    usage = alice.agent_sessions.get(talk.agent, talk.session).session_context_usage
    assert (usage.input_tokens.count, usage.input_tokens.cached_tokens) == (7, 2)
    assert (usage.output_tokens.count, usage.output_tokens.reasoning_tokens) == (3, 1)
    assert usage.total_tokens == 10


def test_a_description_comes_with_the_first_turn_unless_it_was_declined(alice, agent: str):
    silent = alice.agent_sessions.create(agent)
    declined = alice.agent_sessions.create(agent, description="")
    for made in (silent, declined):
        Talk(alice, agent, made.key).say("Where are the pumps?")
    assert "pumps" in alice.agent_sessions.get(agent, silent.key).description
    assert alice.agent_sessions.get(agent, declined.key).description == ""
