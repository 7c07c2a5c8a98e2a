"""Agents: made, read, changed, replaced and deleted."""

import re

import pytest
from vectara import NotFoundError
from vectara.core.api_error import ApiError
from vectara.types.agent_model import AgentModel
from vectara.types.agent_output_parser import AgentOutputParser_Default
from vectara.types.agent_skill import AgentSkill
from vectara.types.agent_step import AgentStep
from vectara.types.agent_step_instruction import AgentStepInstruction_Inline
from vectara.types.agent_tool_configuration import AgentToolConfiguration_WebGet
from vectara.types.compaction_config import CompactionConfig
from vectara.types.first_agent_step import FirstAgentStep
from vectara.types.update_agent_step import UpdateAgentStep
from vectara_clients import ONCE, Talk, message, streamed_message

MODEL = AgentModel(name="gpt-4o")
PARSER = AgentOutputParser_Default()
HELLO = AgentStepInstruction_Inline(name="hello", template="Say hello.", template_type="text")
FIRST = FirstAgentStep(name="first_step", instructions=[], output_parser=PARSER)


@pytest.fixture
def key(new_key) -> str:
    return new_key()


def test_a_small_agent_is_made_and_read(alice, key: str):
    made = alice.agents.create(
        key=key, name="Helper", description="Helps", tool_configurations={}, model=MODEL, first_step=FIRST
    )
    assert (made.key, made.id, made.name, made.description) == (key, key, "Helper", "Helps")
    assert (made.enabled, made.metadata, made.tool_configurations) == (True, {}, {})
    assert made.first_step_name == "first_step" and list(made.steps) == ["first_step"]
    assert made.first_step.instructions == []
    assert made.created_at == made.updated_at
    assert alice.agents.get(key) == made


def test_a_key_is_made_of_the_name(alice):
    made = alice.agents.create(name="RAG Research Assistant", tool_configurations={}, model=MODEL, first_step=FIRST)
    assert re.fullmatch(r"agt_rag_research_assistant_[0-9a-f]{4}", made.key)


def test_an_agent_of_steps_comes_back_as_it_was_given(alice, key: str):
    steps = {
        "begin": AgentStep(
            instructions=[HELLO],
            output_parser=PARSER,
            allowed_tools=["get"],
            allowed_skills=["cook"],
            next_steps=[{"condition": "get('$.output.text') == 'x'", "step_name": "end"}],
        ),
        "end": AgentStep(instructions=[], output_parser=PARSER),
    }
    made = alice.agents.create(
        key=key,
        name="Steps",
        model=AgentModel(name="gpt-4o", parameters={"temperature": 0.5}),
        tool_configurations={"get": AgentToolConfiguration_WebGet(argument_override={"url": "http://127.0.0.1/"})},
        skills={"cook": AgentSkill(description="Cooks", content="Stir.")},
        first_step_name="begin",
        steps=steps,
        metadata={"team": {"name": "ü"}},
        compaction=CompactionConfig(threshold_percent=70, keep_recent_inputs=2),
    )
    assert {name: step.model_dump(exclude_none=True) for name, step in made.steps.items()} == {
        name: step.model_dump(exclude_none=True) for name, step in steps.items()
    }
    assert (made.first_step.name, made.first_step_name) == ("begin", "begin")
    assert made.first_step.allowed_tools == ["get"]
    assert made.model.parameters == {"temperature": 0.5}
    assert made.tool_configurations["get"].type == "web_get"
    assert made.skills["cook"].content == "Stir."
    assert made.metadata == {"team": {"name": "ü"}}
    assert made.compaction.model_dump(exclude_none=True) == {"threshold_percent": 70, "keep_recent_inputs": 2}
    assert alice.agents.get(key) == made


def test_an_agent_is_changed_in_part(alice, agent: str):
    before = alice.agents.get(agent)
    after = alice.agents.update(agent, description="Changed")
    assert after.description == "Changed" and after.updated_at > before.updated_at
    assert after.model_copy(update={"description": None, "updated_at": before.updated_at}) == before
    compaction = CompactionConfig(threshold_percent=60)
    assert alice.agents.update(agent, compaction=compaction).compaction.threshold_percent == 60
    assert alice.agents.update(agent, compaction=None).compaction is None
    assert alice.agents.update(agent, description=None).description is None


def test_maps_are_merged_and_null_deletes(alice, agent: str):
    get = AgentToolConfiguration_WebGet()
    alice.agents.update(agent, tool_configurations={"a": get, "b": get})
    changed = alice.agents.update(
        agent,
        tool_configurations={"a": None, "c": get},
        steps={"second": UpdateAgentStep(instructions=[HELLO])},
    )
    assert sorted(changed.tool_configurations) == ["b", "c"]
    assert sorted(changed.steps) == ["first_step", "second"]
    assert changed.steps["second"].instructions[0].template == "Say hello."
    cleared = alice.agents.update(agent, tool_configurations=None, steps={"second": None})
    assert (cleared.tool_configurations, list(cleared.steps)) == ({}, ["first_step"])


def test_an_agent_is_replaced_under_its_sessions(alice, talk):
    talk.say("one")
    before = alice.agents.update(talk.agent, description="Gone", metadata={"gone": True})
    after = alice.agents.replace(talk.agent, name="New", tool_configurations={}, model=MODEL, first_step=FIRST)
    assert (after.name, after.description, after.metadata) == ("New", None, {})
    assert (after.key, after.created_at) == (before.key, before.created_at)
    assert talk.answer("what did I say?") == "user: one\nagent: You said: one\n"
    with pytest.raises(NotFoundError):
        alice.agents.replace("agt_nobody", name="New", tool_configurations={}, model=MODEL, first_step=FIRST)


def test_a_deleted_agent_is_gone_with_its_sessions(alice, talk):
    talk.say("one")
    alice.agents.delete(talk.agent)
    for gone in (
        lambda: alice.agents.get(talk.agent),
        lambda: alice.agents.delete(talk.agent),
        lambda: alice.agents.update(talk.agent, name="x"),
        lambda: alice.agent_sessions.get(talk.agent, talk.session),
    ):
        with pytest.raises(NotFoundError) as caught:
            gone()
        assert caught.value.body["code"] == "agent_not_found"


def test_an_agent_is_not_deleted_while_a_session_runs(alice, talk):
    frames = talk.opened(streamed_message("hang"))
    next(frames)
    with pytest.raises(ApiError) as caught:
        alice.agents.delete(talk.agent, request_options=ONCE)
    assert (caught.value.status_code, caught.value.body["code"]) == (409, "agent_in_use")
    alice.agent_sessions.delete(talk.agent, talk.session)
    list(frames)
    alice.agents.delete(talk.agent)


def test_agents_are_listed_by_key_with_filters(alice, new_agent, new_key):
    mark = new_key("mark")
    keys = sorted(new_agent(name="Lamp" if at else "Pump", description=mark, enabled=at != 2) for at in range(5))
    pager = alice.agents.list(filter=mark, limit=2)
    assert pager.response.metadata.total_count == 5
    assert [agent.key for agent in pager] == keys
    assert len(list(alice.agents.list(filter=mark, enabled=True))) == 4
    assert len(list(alice.agents.list(filter=mark, enabled=False))) == 1
    assert len(list(alice.agents.list(filter="^Pump$", limit=100))) >= 1


def test_a_key_is_taken_once(alice, agent: str):
    with pytest.raises(ApiError) as caught:
        alice.agents.create(
            key=agent, name="Again", tool_configurations={}, model=MODEL, first_step=FIRST, request_options=ONCE
        )
    assert caught.value.status_code == 409


def test_identity_is_automatic_until_it_is_not(alice, agent: str):
    identity = alice.agents.get_identity(agent)
    assert identity.mode == "auto" and identity.client_id
    changed = alice.agents.update_identity(agent, mode="manual", api_roles=["agent_user"])
    assert (changed.mode, changed.api_roles) == ("manual", ["agent_user"])
    assert alice.agents.get_identity(agent) == changed


def test_a_disabled_agent_takes_no_messages(alice, talk):
    alice.agents.update(talk.agent, enabled=False)
    with pytest.raises(ApiError) as caught:
        talk.send(message("hello"), ONCE)
    assert caught.value.status_code == 400
    alice.agents.update(talk.agent, enabled=True)
    assert talk.answer("hello") == "You said: hello"


def test_agents_of_other_apis_are_shown(alice, server, new_key):
    key = new_key("elsewhere")
    server.create_agent(f'key = "{key}"\nname = "Elsewhere"\ndescription = "Made by a file"\n')
    found = alice.agents.get(key)
    assert (found.name, found.description, found.first_step.name) == ("Elsewhere", "Made by a file", "first_step")
    made = alice.agent_sessions.create(key)
    assert Talk(alice, key, made.key).answer("three words") == "one two three"
