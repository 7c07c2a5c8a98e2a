"""Application variables: what a turn may bring, what it takes if it brings none, what the agent changes."""

import pytest
from foundry_sdk.v2.aip_agents.errors import InvalidParameter, InvalidParameterType, SessionExecutionFailed
from talk import exchanges, say, streaming, text

SET = {
    "type": "objectSet",
    "ontology": "ri.ontology.main.ontology.6f1c2b1e-0000-4000-8000-000000000007",
    "objectSet": {"type": "base", "objectType": "Pump"},
}
SET_RID = "ri.object-set.main.temporary-object-set.6f1c2b1e-0000-4000-8000-000000000005"


def string(value: str):
    return {"type": "string", "value": value}


def test_a_given_value_is_used_and_a_default_stands_in(alice, pumps, pump_session):
    site = lambda inputs: say(alice, pumps, pump_session, "which site", parameter_inputs=inputs).agent_markdown_response
    assert site({"site": string("West")}) == "West"
    assert site({}) == "North"
    assert site({"site": string("")}) == ""


def test_values_of_both_kinds_are_taken(alice, pumps, pump_session):
    inputs = {"site": string("West"), "lastSite": string("East"), "due": SET}
    result = say(alice, pumps, pump_session, "which site", parameter_inputs=inputs)
    assert result.agent_markdown_response == "West"
    assert result.parameter_updates == {}


@pytest.mark.parametrize(
    "object_set",
    [
        {"type": "static", "objects": ["ri.phonograph2-objects.main.object.6f1c2b1e-0000-4000-8000-000000000001"]},
        {"type": "reference", "reference": SET_RID},
        {"type": "union", "objectSets": [{"type": "base", "objectType": "Pump"}]},
        {"type": "searchAround", "objectSet": {"type": "base", "objectType": "Pump"}, "link": "site"},
        {"type": "interfaceBase", "interfaceType": "Asset"},
    ],
)
def test_every_form_of_object_set_is_taken(alice, pumps, pump_session, object_set):
    inputs = {"due": {**SET, "objectSet": object_set}}
    assert say(alice, pumps, pump_session, "which site", parameter_inputs=inputs).agent_markdown_response == "North"


def continues(alice, agent, session, inputs):
    """The same request blocking and streaming."""

    def stream():
        with streaming(alice, agent, session, "which site", parameter_inputs=inputs) as chunks:
            list(chunks)

    return [lambda: say(alice, agent, session, "which site", parameter_inputs=inputs), stream]


def test_an_unknown_parameter_is_refused(alice, pumps, pump_session):
    for attempt in continues(alice, pumps, pump_session, {"nope": string("x")}):
        with pytest.raises(InvalidParameter) as refused:
            attempt()
        assert refused.value.parameters == {"agentRid": pumps, "sessionRid": pump_session, "parameter": "nope"}
    assert exchanges(alice, pumps, pump_session) == []


@pytest.mark.parametrize(
    ("name", "value", "expected", "received"),
    [("due", string("x"), "objectSet", "string"), ("site", SET, "string", "objectSet")],
)
def test_a_value_of_the_other_kind_is_refused(alice, pumps, pump_session, name, value, expected, received):
    for attempt in continues(alice, pumps, pump_session, {name: value}):
        with pytest.raises(InvalidParameterType) as refused:
            attempt()
        assert refused.value.parameters == {
            "agentRid": pumps,
            "sessionRid": pump_session,
            "parameter": name,
            "expectedType": expected,
            "receivedType": received,
        }
    assert exchanges(alice, pumps, pump_session) == []


def test_what_the_agent_changes_is_reported_and_what_stays_is_not(sessions, alice, pumps, pump_session):
    inputs = {"site": string("West"), "lastSite": string("East")}
    result = say(alice, pumps, pump_session, "change all", parameter_inputs=inputs)
    assert {name: (update.type, update.value) for name, update in result.parameter_updates.items()} == {
        "lastSite": ("string", "South")
    }
    assert sessions.Content.get(pumps, pump_session).exchanges[0].result == result
    same = say(alice, pumps, pump_session, "change all", parameter_inputs={"lastSite": string("South")})
    assert same.parameter_updates == {}


def test_an_agent_does_not_change_what_it_may_only_read(alice, pumps, pump_session):
    with pytest.raises(SessionExecutionFailed):
        say(alice, pumps, pump_session, "change what may only be read")
    assert exchanges(alice, pumps, pump_session) == []


def test_a_changed_object_set_is_reported_by_its_rid(alice, pumps, pump_session):
    updates = say(alice, pumps, pump_session, "change set").parameter_updates
    assert {name: (update.type, update.value) for name, update in updates.items()} == {"due": ("objectSet", SET_RID)}


def test_updates_of_a_stream_stand_in_content(sessions, alice, pumps, pump_session):
    assert (
        sessions.streaming_continue(pumps, pump_session, user_input=text("change all"), parameter_inputs={}) == b"changed"
    )
    updates = sessions.Content.get(pumps, pump_session).exchanges[0].result.parameter_updates
    assert {name: update.value for name, update in updates.items()} == {"lastSite": "South"}


def test_parameters_are_those_of_the_sessions_own_version(server, sessions, alice):
    agent = server.create_agent('key = "moving"\nname = "Moving"\n[parameters.old]\ntype = "text"\n')
    before = sessions.create(agent)
    server.save_agent("moving", 'key = "moving"\nname = "Moving"\n[parameters.new]\ntype = "text"\n')
    server.cli("agent", "publish", "moving")
    after = sessions.create(agent)
    assert before.agent_version != after.agent_version
    assert sessions.get(agent, before.rid).agent_version == before.agent_version
    say(alice, agent, before.rid, "x", parameter_inputs={"old": string("x")})
    say(alice, agent, after.rid, "x", parameter_inputs={"new": string("x")})
    with pytest.raises(InvalidParameter):
        say(alice, agent, before.rid, "x", parameter_inputs={"new": string("x")})
    with pytest.raises(InvalidParameter):
        say(alice, agent, after.rid, "x", parameter_inputs={"old": string("x")})
