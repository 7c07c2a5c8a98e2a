"""The preview releases: sessions, and keys that keep their users apart."""

from datetime import timedelta

import pytest
from azure.ai.projects import VERSION
from azure.ai.projects.models import VersionRefIndicator
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

FIRST = VersionRefIndicator(agent_version="1")
since_2_2 = pytest.mark.skipif(VERSION.startswith("2.1."), reason="came with 2.2.0")


@pytest.fixture
def create(agents, agent, keyed):
    """Makes a session of `agent` under a key."""

    def create(key: str = "user-a", **more):
        return agents.create_session(agent, version_indicator=FIRST, **keyed(key), **more)

    return create


def ids(sessions) -> list[str]:
    return [session.agent_session_id for session in sessions]


def test_a_session_is_made_read_listed_and_deleted(agents, agent, create, keyed):
    made = create(agent_session_id="my-session-001")
    assert (made.agent_session_id, made.status) == ("my-session-001", "active")
    assert made.version_indicator == {"type": "version_ref", "agent_version": "1"}
    assert made.expires_at - made.last_accessed_at == timedelta(days=30)
    assert agents.get_session(agent, "my-session-001") == made
    assert ids(agents.list_sessions(agent)) == ["my-session-001"]
    for _ in range(2):
        assert agents.delete_session(agent, "my-session-001", **keyed("user-a")) is None
    with pytest.raises(ResourceNotFoundError):
        agents.get_session(agent, "my-session-001")
    assert ids(agents.list_sessions(agent)) == []


def test_refusals_have_their_classes(agents, agent, create):
    name = create().agent_session_id
    with pytest.raises(ResourceExistsError):
        create(agent_session_id=name)
    with pytest.raises(HttpResponseError) as malformed:
        create(agent_session_id="short")
    assert malformed.value.status_code == 400
    with pytest.raises(ResourceNotFoundError) as missing:
        agents.get_session(agent, "0" * 63)
    assert missing.value.error.code == "not_found"


def test_a_walk_of_25_sessions_by_10_ends(agents, agent, create):
    made = [create().agent_session_id for _ in range(25)]
    assert ids(agents.list_sessions(agent, limit=10)) == made[::-1]
    assert ids(agents.list_sessions(agent, limit=10, order="asc")) == made
    assert ids(agents.list_sessions(agent, order="asc", before=made[5], limit=10)) == made[:5]


def test_another_key_does_not_delete(agents, agent, create, keyed):
    made = create("user-a").agent_session_id
    try:
        agents.delete_session(agent, made, **keyed("user-b"))
    except ResourceNotFoundError:
        pass
    assert agents.get_session(agent, made).status == "active"
    with pytest.raises(ResourceExistsError):
        create("user-b", agent_session_id=made)


@since_2_2
def test_two_keys_do_not_see_each_others_sessions(agents, agent, create):
    made = {key: create(key).agent_session_id for key in ("user-a", "user-b")}
    for key, other in (("user-a", "user-b"), ("user-b", "user-a")):
        assert ids(agents.list_sessions(agent, user_isolation_key=key)) == [made[key]]
        assert agents.get_session(agent, made[key], user_isolation_key=key).status == "active"
        with pytest.raises(ResourceNotFoundError):
            agents.get_session(agent, made[other], user_isolation_key=key)
        with pytest.raises(ResourceNotFoundError):
            list(agents.list_session_files(agent, made[other], user_isolation_key=key))


@since_2_2
def test_a_stopped_session_is_idle(agents, agent, create):
    made = create().agent_session_id
    for _ in range(2):
        assert agents.stop_session(agent, made) is None
    assert agents.get_session(agent, made).status == "idle"


def test_an_idle_session_and_an_expired_one_are_told(server, agents, agent, create):
    made = create().agent_session_id
    server.advance("15m")
    assert agents.get_session(agent, made).status == "idle"
    server.advance("30d")
    assert agents.get_session(agent, made).status == "expired"
