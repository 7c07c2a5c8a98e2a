"""Sessions made of others."""

from typing import Any

import pytest
from vectara import BadRequestError
from vectara.agent_sessions.types.create_agent_session_request_from_session import CreateAgentSessionRequestFromSession
from vectara.core.api_error import ApiError
from vectara_clients import Talk, types


@pytest.fixture
def fork(alice, talk):
    """Forks the session; what is done in the new one."""

    def make(**selectors: Any) -> Talk:
        source = CreateAgentSessionRequestFromSession(session_key=talk.session, **selectors)
        made = alice.agent_sessions.create(talk.agent, from_session=source)
        return Talk(alice, talk.agent, made.key)

    return make


def said(events: list[Any]) -> list[dict[str, Any]]:
    """The events without what differs from session to session."""
    differing = {"id", "session_key", "created_at"}
    return [{name: value for name, value in event.model_dump().items() if name not in differing} for event in events]


def test_a_fork_of_an_empty_session_is_empty(fork):
    assert fork().list() == []


def test_a_whole_fork_has_the_same_events_under_new_ids(talk, fork):
    talk.say("one")
    talk.say("look it up")
    forked = fork()
    before, after = talk.list(), forked.list()
    assert types(after) == types(before) and said(after) == said(before)
    assert len(before) == 6
    assert not {event.id for event in after} & {event.id for event in before}
    assert {event.session_key for event in after} == {forked.session}


def test_a_fork_goes_on_by_itself(talk, fork):
    talk.say("first here")
    forked = fork()
    assert forked.answer("what did I say?") == "user: first here\nagent: You said: first here\n"
    assert len(talk.list()) == 2 and len(forked.list()) == 4
    talk.events.delete(talk.agent, talk.session, talk.list()[0].id)
    assert len(forked.list()) == 4


def test_a_fork_may_end_at_an_event(talk, fork):
    talk.say("one")
    at = talk.say("two")[0].id
    talk.say("three")
    forked = fork(include_up_to_event_id=at)
    assert said(forked.list()) == said(talk.list()[:3])


def test_a_fork_has_none_of_what_is_hidden(talk, fork):
    events = talk.say("one")
    talk.say("two")
    talk.events.hide(talk.agent, talk.session, events[0].id)
    assert said(fork().list()) == said(talk.list())


def test_a_fork_may_begin_with_a_summary(talk, fork):
    talk.say("one")
    at = talk.say("two")[-1].id
    talk.say("three")
    forked = fork(compact_up_to_event_id=at)
    assert "compaction" in types(forked.list())
    assert types(forked.list())[-2:] == ["input_message", "agent_output"]
    assert forked.answer("three words") == "one two three"


def test_a_fork_takes_nothing_else_from_its_source(alice, agent: str):
    source = alice.agent_sessions.create(agent, name="Source", description="d", metadata={"a": 1})
    select = CreateAgentSessionRequestFromSession(session_key=source.key, agent_key=agent)
    forked = alice.agent_sessions.create(agent, name="Fork", metadata={"b": 2}, from_session=select)
    assert (forked.name, forked.metadata) == ("Fork", {"b": 2})


def test_a_fork_may_be_another_agent_s(alice, talk, new_agent):
    talk.say("first here")
    other = new_agent()
    select = CreateAgentSessionRequestFromSession(session_key=talk.session, agent_key=talk.agent)
    forked = alice.agent_sessions.create(other, from_session=select)
    assert forked.agent_key == other
    assert "first here" in Talk(alice, other, forked.key).answer("what did I say?")


def test_what_cannot_be_forked_is_refused(talk, fork):
    event = talk.say("one")[0].id
    for selectors in (
        {"include_up_to_event_id": event, "compact_up_to_event_id": event},
        {"include_up_to_event_id": "aev_00000000-0000-4000-8000-000000000000-0"},
        {"compact_up_to_event_id": "aev_nothing"},
    ):
        with pytest.raises(BadRequestError):
            fork(**selectors)


def test_an_unknown_source_is_refused(alice, agent: str):
    select = CreateAgentSessionRequestFromSession(session_key="ase_nothing")
    with pytest.raises(ApiError) as caught:
        alice.agent_sessions.create(agent, from_session=select)
    assert (caught.value.status_code, caught.value.body["code"]) == (404, "session_not_found")
