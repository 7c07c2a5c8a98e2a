"""Input for a session that runs: refused, queued, slipped in, or a stop."""

import threading
from typing import Any

import pytest
from sederunt import Server
from vectara import ConflictError, NotFoundError
from vectara_clients import ONCE, interrupt, message, spoken, streamed_interrupt, streamed_message, types
from vectara_wire import said
from wire import until


class Running:
    """A message whose answer is still awaited, by a client of its own."""

    def __init__(self, server: Server, agent: str, session: str, text: str, **more: Any):
        self.events: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._run, args=(server, agent, session, text), kwargs=more)
        self._thread.start()

    def _run(self, *where: Any, **more: Any) -> None:
        self.events = said(*where, **more)

    def ended(self) -> list[dict[str, Any]]:
        self._thread.join(15)
        assert not self._thread.is_alive()
        return self.events


@pytest.fixture
def running(server: Server, alice, talk):
    """Sends a message from elsewhere; goes on once the session runs."""

    def start(text: str, **more: Any) -> Running:
        sent = Running(server, talk.agent, talk.session, text, **more)
        until(lambda: alice.agent_sessions.get(talk.agent, talk.session).status == "running", "the session to run")
        return sent

    return start


def test_a_running_session_refuses_what_says_nothing_of_since(talk):
    frames = talk.opened(streamed_message("hang"))
    next(frames)
    with pytest.raises(ConflictError) as caught:
        talk.send(message("hello"), ONCE)
    assert caught.value.body.code == "session_running" and "since" in caught.value.body.messages[0]
    with pytest.raises(ConflictError):
        next(talk.opened(streamed_message("hello")))
    talk.send(interrupt())
    assert types(list(frames))[-1] == "end"
    assert types(talk.list()) == ["input_message", "agent_output"]


def test_an_interrupted_answer_keeps_what_it_had(talk):
    frames = talk.opened(streamed_message("hang"))
    text = ""
    while text != "one two ":
        frame = next(frames)
        text += getattr(frame, "content", "")
    (stopped,) = talk.send(interrupt())
    assert stopped.type == "session_interrupted"
    assert types(list(frames))[-2:] == ["session_interrupted", "end"]
    asked, answered = talk.list()
    assert (asked.messages[0].content, answered.content) == ("hang", "one two ")
    assert talk.answer("three words") == "one two three"


def test_an_interrupted_message_ends_with_that_event(talk, running):
    sent = running("hang at once")
    talk.send(interrupt())
    assert [event["type"] for event in sent.ended()] == ["input_message", "session_interrupted"]
    assert types(talk.list()) == ["input_message"]


def test_nothing_to_interrupt_is_no_error(talk):
    assert talk.send(interrupt()) == []
    assert types(list(talk.opened(streamed_interrupt()))) == ["end"]


def test_what_follows_up_is_its_own_turn(talk, running):
    first = running("slow")
    events = talk.say("what did I say?", since="start", behavior="follow_up")
    assert types(events) == ["input_message", "agent_output"] * 2
    assert events[0].messages[0].content == "slow"
    eight = "one two three four five six seven eight"
    assert events[1].content == eight
    assert events[-1].content == f"user: slow\nagent: {eight}\n"
    assert [event["content"] for event in first.ended() if event["type"] == "agent_output"][0] == eight


def test_follow_ups_are_answered_one_by_one(server, talk, running):
    running("slow")
    second = Running(server, talk.agent, talk.session, "second", since="start")
    third = Running(server, talk.agent, talk.session, "third", since="start")
    for sent, text in ((second, "second"), (third, "third")):
        assert sent.ended()[-1]["content"] == f"You said: {text}"
    events = talk.list()
    assert types(events) == ["input_message", "agent_output"] * 3
    answers = [event.content for event in events[3::2]]
    assert sorted(answers) == ["You said: second", "You said: third"]


def test_what_steers_is_slipped_into_the_running_turn(talk, running):
    first = running("slow tool")
    events = talk.say("steered words", since="start", behavior="steer")
    first.ended()
    kinds = types(talk.list())
    assert kinds.count("input_message") == 2
    inputs = [event.messages[0].content for event in talk.list() if event.type == "input_message"]
    assert inputs == ["slow tool", "steered words"]
    assert events[-1].type == "agent_output" and events[-1].content == "You said: steered words"


def test_since_an_event_is_what_came_after_it(talk):
    first = talk.say("one")
    second = talk.say("two")
    events = talk.say("three", since=first[-1].id)
    assert events[:2] == second and len(events) == 4
    assert talk.list() == first + events


def test_a_stream_replays_since_the_start(talk):
    talk.say("one")
    frames = talk.stream("two", since="start")
    kept = [frame for frame in frames if frame.type == "input_message"]
    assert [frame.messages[0].content for frame in kept] == ["one", "two"]
    assert spoken(frames).endswith("You said: two")
    assert types(frames)[-1] == "end"


def test_a_stream_queues_behind_what_runs(talk, running):
    first = running("slow")
    frames = talk.stream("second", since="start")
    first.ended()
    assert "You said: second" in spoken(frames) and types(frames).count("end") == 1
    assert [frame.messages[0].content for frame in frames if frame.type == "input_message"] == ["slow", "second"]


def test_since_an_unknown_event_is_refused(talk):
    for since in ("aev_nothing", "aev_00000000-0000-4000-8000-000000000000-0", "nonsense"):
        with pytest.raises(Exception) as caught:
            talk.say("hello", since=since)
        assert not isinstance(caught.value, NotFoundError)
        assert caught.value.status_code == 400
    assert talk.list() == []
