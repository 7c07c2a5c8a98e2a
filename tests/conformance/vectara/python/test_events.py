"""Events: inputs and what they make, read, hidden and deleted."""

import re

import pytest
from vectara import BadGatewayError, BadRequestError, NotFoundError
from vectara.core.api_error import ApiError
from vectara.types.agent_input import AgentInput_Skill, AgentInput_Text
from vectara_clients import ONCE, Talk, message, types

NOTHING = "aev_00000000-0000-4000-8000-000000000000-0"


def test_a_message_is_answered_with_its_events(talk):
    asked, answered = talk.say("Grüße 🐝 مرحبا")
    assert (asked.type, answered.type) == ("input_message", "agent_output")
    assert asked.messages[0].content == "Grüße 🐝 مرحبا"
    assert answered.content == "You said: Grüße 🐝 مرحبا"
    for event in (asked, answered):
        assert re.fullmatch(r"aev_[0-9a-zA-Z_-]+", event.id)
        assert event.session_key == talk.session
    assert asked.created_at <= answered.created_at


def test_turns_keep_their_context(talk):
    talk.say("I am called Ada")
    assert talk.answer("what did I say?") == "user: I am called Ada\nagent: You said: I am called Ada\n"


@pytest.mark.parametrize("text", ["<b>&amp;\"'\\\n\t\u2028", "long " * 20_000, "0", "{{ template }} ${x} $y"])
def test_any_text_is_taken_as_it_is(talk, text: str):
    assert talk.answer(text) == f"You said: {text}"
    assert talk.list()[0].messages[0].content == text


def test_thinking_and_tools_are_events(talk):
    assert types(talk.say("think")) == ["input_message", "thinking", "agent_output"]
    asked, call, output, answer = talk.say("look it up")
    assert types([asked, call, output, answer]) == ["input_message", "tool_input", "tool_output", "agent_output"]
    assert (call.tool_name, call.tool_input) == ("kb", {"query": "pumps"})
    assert output.tool_call_id == call.tool_call_id
    assert (output.tool_output, output.error) == ({"found": "P1"}, False)
    assert answer.content == "Found: P1."
    assert talk.say("look it up in vain")[2].error is True
    assert talk.list()[3:7] == [asked, call, output, answer]


def test_events_are_listed_as_they_happened(talk):
    made = [event for at in range(6) for event in talk.say(f"message {at}")]
    assert talk.list() == made
    pager = talk.events.list(talk.agent, talk.session)
    assert len(pager.response.events) == 10 and pager.response.metadata.total_count == 12
    assert list(pager) == made
    assert list(talk.events.list(talk.agent, talk.session, limit=5)) == made


def test_an_event_is_read_and_deleted(talk):
    asked, answered = talk.say("one")
    assert talk.events.get(talk.agent, talk.session, answered.id) == answered
    talk.events.delete(talk.agent, talk.session, answered.id)
    for gone in (talk.events.get, talk.events.delete, talk.events.hide, talk.events.unhide):
        with pytest.raises(NotFoundError) as caught:
            gone(talk.agent, talk.session, answered.id)
        assert caught.value.body["code"] == "event_not_found"
    assert talk.list(include_hidden=True) == [asked]
    assert talk.answer("what did I say?") == "user: one\n"


def test_a_hidden_event_is_neither_listed_nor_remembered(talk):
    asked, answered = talk.say("one")
    hidden = talk.events.hide(talk.agent, talk.session, asked.id)
    assert hidden.id == asked.id and hidden.hide_reason == "manual"
    assert talk.events.hide(talk.agent, talk.session, asked.id) == hidden
    assert talk.list() == [answered]
    assert [event.id for event in talk.list(include_hidden=True)] == [asked.id, answered.id]
    assert talk.events.get(talk.agent, talk.session, asked.id).id == asked.id
    assert "user: one" not in talk.answer("what did I say?")
    shown = talk.events.unhide(talk.agent, talk.session, asked.id)
    assert shown == asked and talk.events.unhide(talk.agent, talk.session, asked.id) == asked
    assert talk.list()[:2] == [asked, answered]
    assert talk.answer("what did I say?").startswith("user: one\n")


def test_unknown_events_sessions_and_agents_are_not_found(alice, talk):
    calls = {
        "event_not_found": lambda: talk.events.get(talk.agent, talk.session, NOTHING),
        "session_not_found": lambda: Talk(alice, talk.agent, "ase_nothing").say("hello"),
        "agent_not_found": lambda: Talk(alice, "agt_nobody", talk.session).say("hello"),
    }
    for code, call in calls.items():
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.body["code"] == code
    with pytest.raises(NotFoundError):
        list(talk.events.hide(talk.agent, talk.session, NOTHING))


def test_an_event_of_another_session_is_not_found(alice, talk):
    event = talk.say("one")[0]
    other = alice.agent_sessions.create(talk.agent).key
    with pytest.raises(NotFoundError):
        talk.events.get(talk.agent, other, event.id)


def test_a_message_must_say_something(talk):
    for request in (message(""), message("   ")):
        with pytest.raises(BadRequestError) as caught:
            talk.send(request)
        assert caught.value.body["code"] == "invalid_message_content"
    assert talk.list() == []


def test_a_disabled_session_takes_no_messages(alice, talk):
    alice.agent_sessions.update(talk.agent, talk.session, enabled=False)
    with pytest.raises(BadRequestError) as caught:
        talk.say("hello")
    assert caught.value.body["code"] == "session_disabled"
    alice.agent_sessions.update(talk.agent, talk.session, enabled=True)
    assert talk.answer("hello") == "You said: hello"


def test_what_fails_leaves_nothing_that_its_repetition_would_double(talk):
    with pytest.raises(BadGatewayError):
        talk.send(message("break"), ONCE)
    assert talk.list(include_hidden=True) == []
    assert talk.answer("three words") == "one two three"


def test_what_fails_is_repeated_by_the_client_until_it_succeeds(talk, runner):
    text = f"fails twice {'sync' if runner is None else 'async'}"
    assert talk.answer(text) == f"You said: {text}"
    assert len(talk.list(include_hidden=True)) == 2


@pytest.mark.parametrize("fault", ["failed", "unavailable"])
def test_a_fault_of_the_model_shows_no_log(talk, fault: str):
    with pytest.raises(ApiError) as caught:
        talk.send(message(f"fault {fault}"), ONCE)
    assert caught.value.status_code >= 500
    assert "told to the log" not in str(caught.value.body)


def test_a_full_context_is_an_event_that_is_not_kept(talk):
    events = talk.say("fault context_too_large")
    assert types(events) == ["input_message", "context_limit_exceeded"]
    assert events[-1].message
    assert types(talk.list()) == ["input_message"]


def test_a_skill_is_loaded_by_its_name(alice, new_agent):
    agent = new_agent(skills={"cook": {"description": "Cooks", "content": "Stir, then wait."}})
    talk = Talk(alice, agent, alice.agent_sessions.create(agent).key)
    inputs = [AgentInput_Text(content="Soup, please"), AgentInput_Skill(skill_name="cook")]
    request = message("").model_copy(update={"messages": inputs})
    asked, loaded, answered = talk.send(request)
    assert [given.type for given in asked.messages] == ["text", "skill"]
    assert (loaded.type, loaded.skill_name, loaded.content) == ("skill_load", "cook", "Stir, then wait.")
    assert answered.type == "agent_output"
    unknown = message("").model_copy(update={"messages": [AgentInput_Skill(skill_name="sing")]})
    with pytest.raises(BadRequestError):
        talk.send(unknown)


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
}
STRUCTURED = {
    "first_step": {
        "name": "first_step",
        "instructions": [],
        "output_parser": {"type": "structured", "json_schema": {"name": "weather", "schema": SCHEMA}},
    }
}


def test_an_answer_with_a_form_is_structured(alice, new_agent):
    agent = new_agent(**STRUCTURED)
    talk = Talk(alice, agent, alice.agent_sessions.create(agent).key)
    events = talk.say("json")
    assert types(events) == ["input_message", "structured_output"]
    assert (events[-1].schema_name, events[-1].content) == ("weather", {"city": "Köln 🏛", "degrees": 21})
    assert talk.list() == events
    frames = talk.stream("json")
    (frame,) = [frame for frame in frames if frame.type == "structured_output"]
    assert frame.content == events[-1].content
    assert not [frame for frame in frames if frame.type.startswith("streaming_agent")]


def test_an_answer_of_another_form_is_a_fault(alice, new_agent):
    agent = new_agent(**STRUCTURED)
    talk = Talk(alice, agent, alice.agent_sessions.create(agent).key)
    with pytest.raises(ApiError) as caught:
        talk.send(message("three words"), ONCE)
    assert caught.value.status_code >= 400
    assert "structured_output" not in types(talk.list())
