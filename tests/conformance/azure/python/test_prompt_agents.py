"""Prompt agents: answers without a session, by the model and the instructions of their definition."""

import json

import pytest
from azure.ai.projects.models import PromptAgentDefinition, StructuredInputDefinition
from openai import BadRequestError
from project import openai


@pytest.fixture
def at_prompt(alice, prompt, connections):
    """The client below the endpoint of a prompt agent."""
    return openai(alice, prompt, http_client=connections)


def test_a_prompt_agent_has_no_session(at_prompt):
    answer = at_prompt.responses.with_raw_response.create(input="three words")
    assert "x-agent-session-id" not in answer.headers
    said = answer.parse()
    assert "agent_session_id" not in said.model_extra
    assert (said.output_text, said.model) == ("one two three", "scripted")


def test_chains_and_conversations_work_without_sessions(at_prompt):
    first = at_prompt.responses.create(input="three words")
    second = at_prompt.responses.create(input="what did I say?", previous_response_id=first.id)
    assert second.output_text == "user: three words\nagent: one two three\n"
    conversation = at_prompt.conversations.create().id
    at_prompt.responses.create(input="three words", conversation=conversation)
    again = at_prompt.responses.create(input="what did I say?", conversation=conversation)
    assert again.output_text == "user: three words\nagent: one two three\n"
    assert len(at_prompt.conversations.items.list(conversation).data) == 4


def test_streams_and_background_work_without_sessions(at_prompt):
    with at_prompt.responses.stream(model="scripted", input="three words") as events:
        assert events.get_final_response().output_text == "one two three"
    running = at_prompt.responses.create(input="hang", background=True)
    assert at_prompt.responses.cancel(running.id).status == "cancelled"


def test_calls_and_their_outputs_belong_together(at_prompt):
    asked = at_prompt.responses.create(input="weather in Paris")
    (call,) = asked.output
    assert json.loads(call.arguments) == {"city": "Paris"}
    with pytest.raises(BadRequestError, match="No tool output found for function call"):
        at_prompt.responses.create(input="three words", previous_response_id=asked.id)
    stranger = {"type": "function_call_output", "call_id": "call_of_nobody", "output": "x"}
    with pytest.raises(BadRequestError, match="No tool call found for function call output"):
        at_prompt.responses.create(input=[stranger])
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    said = at_prompt.responses.create(input=[output], previous_response_id=asked.id)
    assert said.output_text == "It is sunny."


def test_instructions_are_the_definitions_where_it_is_named(at_project, prompt):
    reference = {"agent_reference": {"type": "agent_reference", "name": prompt}}
    assert at_project.responses.create(input="three words", extra_body=reference).output_text == "one two three"
    with pytest.raises(BadRequestError, match="Not allowed when agent is specified"):
        at_project.responses.create(input="x", instructions="Be rude.", extra_body=reference)


def test_structured_inputs_have_their_places(alice, agents, name, connections):
    inputs = {"language": StructuredInputDefinition(description="To speak", required=True)}
    definition = PromptAgentDefinition(
        model="scripted", instructions="Speak {{language}}.", structured_inputs=inputs, temperature=0.5
    )
    agents.create_version(name, definition=definition)
    talk = openai(alice, name, http_client=connections)
    said = talk.responses.create(input="three words", extra_body={"structured_inputs": {"language": "Finnish"}})
    assert said.output_text == "one two three"
    with pytest.raises(BadRequestError) as refusal:
        talk.responses.create(input="three words")
    assert refusal.value.param == "structured_inputs.language"


def test_what_is_only_kept_does_not_run(previewing, name, connections):
    previewing.agents.create_version(name, {"definition": {"kind": "workflow", "workflow": "kind: workflow"}})
    with pytest.raises(Exception) as refusal:
        openai(previewing, name, http_client=connections).responses.create(input="x")
    assert (refusal.value.status_code, refusal.value.code) == (501, "not_implemented")
