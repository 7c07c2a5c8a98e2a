"""Content.get, SessionTrace.get and Session.ragContext: the record, how it came about, and what was looked up."""

import pytest
from foundry_sdk import BadRequestError
from foundry_sdk.v2.aip_agents.errors import SessionTraceNotFound
from foundry_sdk.v2.aip_agents.models import FunctionRetrievedContext, ObjectContext
from talk import exchanges, new_id, request, say, streaming, text, until

OBJECT = "ri.phonograph2-objects.main.object.6f1c2b1e-0000-4000-8000-000000000002"
PROPERTY = "ri.ontology.main.property.6f1c2b1e-0000-4000-8000-000000000003"
FUNCTION = "ri.function-registry.main.function.6f1c2b1e-0000-4000-8000-000000000004"


def given_contexts():
    """Contexts of both kinds, other than those that the script finds."""
    return [
        ObjectContext(object_rids=[OBJECT, OBJECT + "9"], property_type_rids=[], type="objectContext"),
        FunctionRetrievedContext(
            function_rid=FUNCTION, function_version="2.0.0-rc1", retrieved_prompt="given", type="functionRetrievedContext"
        ),
    ]


def holds_given(contexts) -> bool:
    objects, functions = contexts.object_contexts, contexts.function_retrieved_contexts
    return (
        [(o.object_rids, o.property_type_rids) for o in objects] == [([OBJECT, OBJECT + "9"], [])]
        and [(f.function_rid, f.function_version, f.retrieved_prompt) for f in functions]
        == [(FUNCTION, "2.0.0-rc1", "given")]
    )


def holds_found(contexts) -> bool:
    objects, functions = contexts.object_contexts, contexts.function_retrieved_contexts
    return [(o.object_rids, o.property_type_rids) for o in objects] == [([OBJECT], [PROPERTY])] and [
        (f.function_rid, f.function_version, f.retrieved_prompt) for f in functions
    ] == [(FUNCTION, "1.2.3", "Pumps are blue.")]


def test_a_fresh_session_has_empty_content(server, echo, session):
    reply = request(server, "GET", f"/agents/{echo}/sessions/{session}/content?preview=true")
    assert (reply.status, reply.json) == (200, {"exchanges": []})


def test_content_is_chronological_and_whole(alice, echo, session):
    messages = [f"message {n}" for n in range(120)]
    for message in messages:
        say(alice, echo, session, message)
    assert exchanges(alice, echo, session) == [(message, message) for message in messages]


def test_every_map_and_list_is_written_and_absent_options_are_left_out(server, echo, session):
    path = f"/agents/{echo}/sessions/{session}"
    trace = new_id()
    body = {"userInput": {"text": "hello"}, "sessionTraceId": trace}
    result = request(server, "POST", f"{path}/blockingContinue?preview=true", body).json
    required = {"agentMarkdownResponse", "parameterUpdates", "interruptedOutput", "sessionTraceId"}
    assert required <= set(result) <= required | {"totalTokensUsed"}
    exchange = request(server, "GET", f"{path}/content?preview=true").json["exchanges"][0]
    assert set(exchange) == {"userInput", "result"}
    assert request(server, "GET", f"{path}/sessionTraces/{trace}?preview=true").json == {
        "id": trace,
        "status": "COMPLETE",
        "toolCallGroups": [],
    }
    agent = request(server, "GET", f"/agents/{echo}?preview=true").json
    assert set(agent) == {"rid", "version", "metadata", "parameters"}
    assert isinstance(agent["metadata"]["suggestedPrompts"], list)


def test_given_contexts_take_the_place_of_what_would_be_found(sessions, alice, scripted, scripted_session):
    result = say(alice, scripted, scripted_session, "look up", contexts_override=given_contexts())
    assert holds_given(sessions.Content.get(scripted, scripted_session).exchanges[0].contexts)
    trace = sessions.SessionTrace.get(scripted, scripted_session, result.session_trace_id)
    assert holds_given(trace.contexts)


def test_an_empty_override_means_no_contexts_at_all(sessions, alice, scripted, scripted_session):
    say(alice, scripted, scripted_session, "look up", contexts_override=[])
    assert sessions.Content.get(scripted, scripted_session).exchanges[0].contexts is None


def test_what_retrieval_finds_is_kept_with_the_exchange(sessions, alice, scripted, scripted_session):
    result = say(alice, scripted, scripted_session, "look up")
    assert holds_found(sessions.Content.get(scripted, scripted_session).exchanges[0].contexts)
    assert holds_found(sessions.SessionTrace.get(scripted, scripted_session, result.session_trace_id).contexts)


def test_a_trace_tells_looking_in_vain_from_not_looking(sessions, alice, scripted, scripted_session):
    vain = say(alice, scripted, scripted_session, "look up in vain").session_trace_id
    contexts = sessions.SessionTrace.get(scripted, scripted_session, vain).contexts
    assert (contexts.object_contexts, contexts.function_retrieved_contexts) == ([], [])
    never = say(alice, scripted, scripted_session, "three words").session_trace_id
    assert sessions.SessionTrace.get(scripted, scripted_session, never).contexts is None


def test_contexts_of_a_stream_are_kept_too(sessions, alice, scripted, scripted_session):
    with streaming(alice, scripted, scripted_session, "look up", contexts_override=given_contexts()) as chunks:
        list(chunks)
    assert holds_given(sessions.Content.get(scripted, scripted_session).exchanges[0].contexts)


TYPES = [
    ("pump lookup", "FUNCTION"),
    ("order part", "ACTION"),
    ("find manuals", "ONTOLOGY_SEMANTIC_SEARCH"),
    ("query pumps", "OBJECT_QUERY"),
    ("query by statement", "OBJECT_QUERY_WITH_SQL"),
    ("set site", "UPDATE_APPLICATION_VARIABLE"),
    ("ask back", "REQUEST_CLARIFICATION"),
    ("run code", "CODE_EXECUTION"),
]


def test_a_trace_shows_every_tool_call_in_groups_as_they_were_made(sessions, alice, scripted, scripted_session):
    result = say(alice, scripted, scripted_session, "tools")
    assert result.agent_markdown_response == "done"
    trace = sessions.SessionTrace.get(scripted, scripted_session, result.session_trace_id)
    assert (trace.id, trace.status) == (result.session_trace_id, "COMPLETE")
    assert [len(group.tool_calls) for group in trace.tool_call_groups] == [3, 5]
    calls = [call for group in trace.tool_call_groups for call in group.tool_calls]
    assert [(call.tool_metadata.name, call.tool_metadata.type) for call in calls] == TYPES
    lookup, order, manuals, query = calls[:4]
    assert lookup.input.thought == "need the list"
    assert lookup.input.inputs["site"].type == "string" and lookup.input.inputs["site"].value == "North"
    assert lookup.input.inputs["limit"].value == "5"
    assert (lookup.output.type, lookup.output.output.type, lookup.output.output.value) == ("success", "string", "P1,P7")
    assert order.input.thought is None and order.input.inputs == {}
    assert (order.output.type, order.output.correction_message) == ("failure", "no such part")
    assert (manuals.output.output.type, manuals.output.output.rid) == (
        "rid",
        "ri.phonograph2-objects.main.object.6f1c2b1e-0000-4000-8000-000000000001",
    )
    assert query.output.output.type == "string" and "rows" in query.output.output.value


def test_a_trace_can_be_read_while_a_tool_runs(sessions, alice, scripted, scripted_session):
    trace, message = new_id(), new_id()

    def call_in_progress():
        seen = sessions.SessionTrace.get(scripted, scripted_session, trace)
        assert (seen.status, seen.contexts) == ("IN_PROGRESS", None)
        return [call for group in seen.tool_call_groups for call in group.tool_calls]

    # The stream is open, and says nothing while the tool runs.
    with streaming(alice, scripted, scripted_session, "slow tool", session_trace_id=trace, message_id=message):
        calls = until(call_in_progress, "the tool call stands in the trace")
        assert [(call.tool_metadata.name, call.output) for call in calls] == [("slow lookup", None)]
        sessions.cancel(scripted, scripted_session, message_id=message)
    assert sessions.SessionTrace.get(scripted, scripted_session, trace).status == "COMPLETE"


def test_a_trace_is_found_in_its_own_session_only(sessions, alice, echo, session):
    trace = say(alice, echo, session, "hello").session_trace_id
    assert sessions.SessionTrace.get(echo, session, trace.upper()).id == trace
    other = sessions.create(echo).rid
    unknown = new_id()
    for where, what in [(other, trace), (session, unknown)]:
        with pytest.raises(SessionTraceNotFound) as refused:
            sessions.SessionTrace.get(echo, where, what)
        assert refused.value.parameters == {"agentRid": echo, "sessionRid": where, "sessionTraceId": what}


def test_rag_context_says_what_would_be_found_and_leaves_the_session_alone(sessions, alice, scripted, scripted_session):
    say(alice, scripted, scripted_session, "three words")
    before = sessions.get(scripted, scripted_session)
    found = sessions.rag_context(scripted, scripted_session, user_input=text("look up"), parameter_inputs={})
    assert holds_found(found)
    for message in ("look up in vain", "three words"):
        found = sessions.rag_context(scripted, scripted_session, user_input=text(message), parameter_inputs={})
        assert (found.object_contexts, found.function_retrieved_contexts) == ([], [])
    assert sessions.get(scripted, scripted_session) == before
    assert exchanges(alice, scripted, scripted_session) == [("three words", "one two three")]


def test_rag_context_checks_parameters(sessions, pumps, pump_session):
    for inputs, name in [
        ({"nope": {"type": "string", "value": "x"}}, "InvalidParameter"),
        ({"due": {"type": "string", "value": "x"}}, "InvalidParameterType"),
    ]:
        with pytest.raises(BadRequestError) as refused:
            sessions.rag_context(pumps, pump_session, user_input=text("x"), parameter_inputs=inputs)
        assert refused.value.name == name
