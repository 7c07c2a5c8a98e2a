"""Agent sessions: create, get, stop and delete."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from azure.ai.projects.models import VersionRefIndicator
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure_wire import raw, refused

FIRST = VersionRefIndicator(agent_version="1")
UNKNOWN = "0" * 63


def test_a_new_session_has_an_id_a_version_a_status_and_three_times(agents, agent):
    session = agents.create_session(agent, version_indicator=FIRST)
    assert re.fullmatch(r"[A-Za-z0-9_-]{8,128}", session.agent_session_id)
    assert session.version_indicator == {"type": "version_ref", "agent_version": "1"}
    assert session.status == "active"
    assert session.created_at == session.last_accessed_at
    assert session.expires_at - session.last_accessed_at == timedelta(days=30)
    assert session.stopped_at is None
    assert agents.get_session(agent, session.agent_session_id) == session


def test_on_the_wire_a_session_is_201_and_its_times_are_whole_seconds(server, agent):
    made = raw(server, "POST", f"/agents/{agent}/endpoint/sessions", {})
    assert made.status == 201
    times = {"created_at", "last_accessed_at", "expires_at"}
    assert set(made.json) == {"agent_session_id", "version_indicator", "status"} | times
    assert all(type(made.json[name]) is int for name in times)


def test_a_callers_id_is_kept(agents, agent):
    for name in ("my-session_001", "a" * 8, "Z" * 128):
        assert agents.create_session(agent, version_indicator=FIRST, agent_session_id=name).agent_session_id == name
        assert agents.get_session(agent, name).agent_session_id == name


def test_a_body_may_be_empty(server, agents, agent):
    assert agents.create_session(agent, {}).version_indicator.agent_version == "1"
    assert raw(server, "POST", f"/agents/{agent}/endpoint/sessions").status == 201


def test_an_id_in_use_is_refused(server, agents, agent, session):
    with pytest.raises(ResourceExistsError) as refusal:
        agents.create_session(agent, version_indicator=FIRST, agent_session_id=session)
    assert refusal.value.error.code == "session_already_exists"
    again = raw(server, "POST", f"/agents/{agent}/endpoint/sessions", {"agent_session_id": session}, token="bob")
    refused(again, 409, "session_already_exists", "agent_session_id")


def test_a_creation_that_the_sdk_repeats_is_carried_out_once(server, agent):
    sessions = f"/agents/{agent}/endpoint/sessions"
    headers = {"x-ms-client-request-id": str(uuid4())}
    first, again = (raw(server, "POST", sessions, {}, headers=headers) for _ in range(2))
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert len(raw(server, "GET", sessions).json["data"]) == 1


def test_one_id_may_be_used_with_each_of_two_agents(agents, agent, new_agent):
    other = new_agent()
    for name in (agent, other):
        agents.create_session(name, version_indicator=FIRST, agent_session_id="shared-name")
    agents.delete_session(other, "shared-name")
    assert agents.get_session(agent, "shared-name").status == "active"


def test_the_id_of_a_deleted_session_may_be_used_again(agents, agent, session):
    agents.delete_session(agent, session)
    assert agents.create_session(agent, version_indicator=FIRST, agent_session_id=session).status == "active"


@pytest.mark.parametrize("name", ["seven77", "x" * 129, "with blank", "with/slash", "with:colon", "umläutig"])
def test_a_malformed_id_is_refused(agents, agent, name):
    with pytest.raises(HttpResponseError) as refusal:
        agents.create_session(agent, version_indicator=FIRST, agent_session_id=name)
    assert refusal.value.status_code == 400
    error = refusal.value.model.error
    assert (error.code, error.param) == ("invalid_request_error", "agent_session_id")


def test_the_version_must_be_one_of_the_agents(agents, agent):
    with pytest.raises(ResourceNotFoundError) as refusal:
        agents.create_session(agent, version_indicator=VersionRefIndicator(agent_version="9"))
    assert refusal.value.error.code == "not_found"
    with pytest.raises(HttpResponseError) as refusal:
        agents.create_session(agent, version_indicator=VersionRefIndicator(agent_version="@latest"))
    assert refusal.value.status_code in (400, 404)


@pytest.mark.parametrize("indicator", [{"type": "other"}, {"type": "version_ref"}, {"agent_version": "1"}, "1"])
def test_a_version_indicator_of_another_form_is_refused(server, agent, indicator):
    made = raw(server, "POST", f"/agents/{agent}/endpoint/sessions", {"version_indicator": indicator})
    assert made.status == 400
    assert made.json["error"]["code"] in ("invalid_request_error", "invalid_request")


def test_an_unknown_agent_has_no_sessions(agents):
    calls = [
        lambda: agents.create_session("nobody", version_indicator=FIRST),
        lambda: agents.get_session("nobody", UNKNOWN),
        lambda: agents.stop_session("nobody", UNKNOWN),
        lambda: agents.delete_session("nobody", UNKNOWN),
        lambda: list(agents.list_sessions("nobody")),
    ]
    for call in calls:
        with pytest.raises(ResourceNotFoundError) as refusal:
            call()
        assert refusal.value.error.code == "not_found"


def test_only_hosted_agents_have_sessions(agents, prompt):
    with pytest.raises(HttpResponseError) as refusal:
        agents.create_session(prompt, version_indicator=FIRST)
    assert (refusal.value.status_code, refusal.value.model.error.code) == (400, "invalid_request_error")


def test_an_unknown_session_is_not_found_by_code_and_message(agents, agent, new_agent, session):
    for name, identifier in ((agent, UNKNOWN), (new_agent(), session)):
        with pytest.raises(ResourceNotFoundError) as refusal:
            agents.get_session(name, identifier)
        assert refusal.value.error.code == "not_found"
        assert "(not_found)" in str(refusal.value) and refusal.value.error.message in str(refusal.value)


def test_a_stopped_session_is_idle_and_stopping_again_is_no_error(agents, agent, session):
    assert agents.stop_session(agent, session) is None
    stopped = agents.get_session(agent, session)
    assert (stopped.status, stopped.stopped_at) == ("idle", stopped.last_accessed_at)
    assert agents.stop_session(agent, session) is None
    assert agents.get_session(agent, session) == stopped
    with pytest.raises(ResourceNotFoundError):
        agents.stop_session(agent, UNKNOWN)


@pytest.mark.parametrize("action", [":stop", "%3Astop"])
def test_stop_is_204_without_a_body(server, agent, session, action):
    stopped = raw(server, "POST", f"/agents/{agent}/endpoint/sessions/{session}{action}")
    assert (stopped.status, stopped.body) == (204, b"")


def test_a_deleted_session_is_gone_and_deleting_again_is_no_error(server, agents, agent, session):
    for _ in range(2):
        assert agents.delete_session(agent, session) is None
    with pytest.raises(ResourceNotFoundError):
        agents.get_session(agent, session)
    with pytest.raises(ResourceNotFoundError):
        agents.stop_session(agent, session)
    assert session not in [other.agent_session_id for other in agents.list_sessions(agent)]
    deleted = raw(server, "DELETE", f"/agents/{agent}/endpoint/sessions/{UNKNOWN}")
    assert (deleted.status, deleted.body) == (204, b"")


def test_what_does_not_exist_is_404(server, agent, session):
    for path in (
        f"/agents/{agent}/endpoint/protocols/openai/sessions",
        f"/agents/{agent}/endpoint/sessions/{session}/events",
    ):
        refused(raw(server, "GET", path), 404, "not_found")


def test_a_method_that_a_path_does_not_have_is_405(server, agent, session):
    refused(raw(server, "PATCH", f"/agents/{agent}/endpoint/sessions/{session}", {}), 405, "method_not_allowed")
