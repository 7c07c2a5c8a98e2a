"""API keys and app clients: made, used, disabled and deleted."""

import pytest
from sederunt import Server
from vectara import ForbiddenError, NotFoundError
from vectara.core.api_error import ApiError
from vectara.types.create_app_client_request import CreateAppClientRequest_ClientCredentials
from vectara_clients import Talk, client


@pytest.fixture
def key(alice, new_key):
    """Makes an API key."""
    return lambda *roles, **more: alice.api_keys.create(name=new_key("key"), api_roles=list(roles), **more)


def test_a_key_is_made_disabled_enabled_and_deleted(alice, key, server: Server, runner, agent: str):
    made = key("administrator")
    assert made.id.startswith("aky_") and made.enabled and made.api_roles == ["administrator"]
    holder = client(server, made.secret_key, runner=runner)
    assert holder.agents.get(agent).key == agent

    def refused() -> None:
        with pytest.raises(ApiError) as caught:
            holder.agents.get(agent)
        assert (caught.value.status_code, caught.value.body["code"]) == (401, "unauthorized")

    assert alice.api_keys.update(made.id, enabled=False).enabled is False
    refused()
    assert [found.enabled for found in alice.api_keys.list(limit=100) if found.id == made.id] == [False]
    assert alice.api_keys.update(made.id, enabled=True).enabled is True
    assert holder.agents.get(agent).key == agent
    alice.api_keys.delete(made.id)
    refused()
    with pytest.raises(ApiError) as caught:
        alice.api_keys.get(made.id)
    assert caught.value.status_code == 404


def test_a_key_s_secret_is_told_once(alice, key):
    made = key("agent_user")
    assert alice.api_keys.get(made.id).secret_key != made.secret_key
    assert made.secret_key not in str([found.secret_key for found in alice.api_keys.list(limit=100)])


def test_who_may_talk_may_not_list(key, server: Server, runner, agent: str):
    user = client(server, key("agent_user").secret_key, runner=runner)
    session = user.agent_sessions.create(agent)
    assert user.agent_sessions.get(agent, session.key) == session
    assert Talk(user, agent, session.key).answer("three words") == "one two three"
    for refused in (
        lambda: user.agent_sessions.list(agent),
        lambda: user.agent_events.list(agent, session.key),
        lambda: user.agent_sessions.update(agent, session.key, name="x"),
        lambda: user.agents.delete(agent),
    ):
        with pytest.raises(ForbiddenError):
            refused()


def test_who_may_view_may_not_talk(key, server: Server, runner, agent: str, session: str):
    viewer = client(server, key("agent_viewer").secret_key, runner=runner)
    assert session in [found.key for found in viewer.agent_sessions.list(agent)]
    with pytest.raises(ForbiddenError):
        Talk(viewer, agent, session).say("hello")
    with pytest.raises(ForbiddenError):
        viewer.agent_sessions.create(agent)


def test_a_role_may_be_had_on_one_agent(alice, key, server: Server, runner, new_agent):
    mine, other = new_agent(), new_agent()
    made = alice.api_keys.create(name="one agent", agent_roles=[{"agent_key": mine, "role": "agent_user"}])
    user = client(server, made.secret_key, runner=runner)
    assert user.agent_sessions.create(mine).agent_key == mine
    with pytest.raises((ForbiddenError, NotFoundError)):
        user.agent_sessions.create(other)


@pytest.fixture
def app(alice, new_key):
    """Makes an app client."""

    def make(*roles: str):
        request = CreateAppClientRequest_ClientCredentials(name=new_key("app"), api_roles=list(roles))
        return alice.app_clients.create(request=request)

    return make


def test_an_app_client_is_made_changed_and_deleted(alice, app):
    made = app("agent_developer")
    assert made.id.startswith("app_") and made.client_id and made.client_secret
    changed = alice.app_clients.update(made.id, description="Changed", api_roles=["agent_user"])
    assert (changed.description, changed.api_roles) == ("Changed", ["agent_user"])
    assert made.id in [found.id for found in alice.app_clients.list(limit=100)]
    assert [found.id for found in alice.app_clients.list(filter=made.name)] == [made.id]
    alice.app_clients.delete(made.id)
    with pytest.raises(ApiError) as caught:
        alice.app_clients.get(made.id)
    assert caught.value.status_code == 404


@pytest.mark.parametrize("with_key", [False, True])
def test_an_app_client_gets_tokens_by_itself(alice, app, key, server: Server, runner, agent: str, with_key: bool):
    made = app("agent_developer")
    secret = key("agent_viewer").secret_key if with_key else None
    talker = client(server, secret, runner=runner, client_id=made.client_id, client_secret=made.client_secret)
    # The token outranks the key, which may not do this.
    session = talker.agent_sessions.create(agent)
    assert Talk(talker, agent, session.key).answer("three words") == "one two three"
    alice.app_clients.delete(made.id)
    late = client(server, None, runner=runner, client_id=made.client_id, client_secret=made.client_secret)
    with pytest.raises(ApiError) as caught:
        late.agents.get(agent)
    assert caught.value.status_code == 401


def test_a_token_may_come_from_anywhere(server: Server, runner, agent: str):
    holder = client(server, None, runner=runner, token=lambda: server.token("alice"))
    assert holder.agents.get(agent).key == agent
