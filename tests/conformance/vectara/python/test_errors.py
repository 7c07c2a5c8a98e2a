"""Refusals, as the exceptions that the SDK makes of them."""

import pytest
from sederunt import Server
from vectara import BadRequestError, NotFoundError
from vectara.core.api_error import ApiError
from vectara_clients import OLD, ONCE, client, message


def test_an_unknown_key_is_not_known(server: Server, runner, agent: str):
    with pytest.raises(ApiError) as caught:
        client(server, "zut_invalid", runner=runner).agents.get(agent)
    error = caught.value
    assert (error.status_code, error.body["code"]) == (401, "unauthorized")
    assert error.body["messages"] and error.body["request_id"]


@pytest.mark.parametrize("name", ["n" * 256, 7, {"a": 1}])
def test_a_name_that_is_none_is_named(alice, agent: str, name):
    with pytest.raises(BadRequestError) as caught:
        alice.agent_sessions.create(agent, name=name)
    assert "name" in caught.value.body["field_errors"]


def test_metadata_must_be_an_object(alice, agent: str):
    with pytest.raises(BadRequestError) as caught:
        alice.agent_sessions.create(agent, metadata=["a"])
    assert caught.value.body["code"] == "invalid_metadata"


@pytest.mark.parametrize("key", ["", "k" * 51, "with space", "ümlaut", "a.b"])
def test_a_new_key_has_its_shape(alice, agent: str, key: str):
    with pytest.raises(BadRequestError) as caught:
        alice.agent_sessions.create(agent, key=key)
    assert "key" in caught.value.body["field_errors"]


def test_a_key_that_cannot_be_is_malformed_and_another_unknown(alice, agent: str):
    with pytest.raises(ApiError) as caught:
        alice.agent_sessions.get(agent, "not a key")
    assert caught.value.status_code == 400
    with pytest.raises(NotFoundError):
        alice.agent_sessions.get(agent, "a-key")


def test_what_takes_longer_than_the_client_wants_is_told_so(server: Server, runner, agent: str, session: str):
    # The older version says so with each call.
    limit = {"request_timeout_millis": 200}
    impatient = client(server, "alice", runner=runner, **({} if OLD else limit))
    with pytest.raises(ApiError) as caught:
        impatient.agent_events.create(
            agent, session, request=message("hang"), request_options=ONCE, **(limit if OLD else {})
        )
    assert (caught.value.status_code, caught.value.body["code"]) == (408, "request_timeout")
    assert impatient.agent_events.list(agent, session).response.events == []
