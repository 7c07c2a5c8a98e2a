"""A server that answers a credential one request at a time: the refusal, and that what was refused has done nothing."""

import pytest
from foundry_sdk import FoundryClient, RateLimitError, UserTokenAuth
from sederunt import Server
from talk import client_of, config, connect, new_id, request, say, until

SCRIPT = """
[[rule]]
agent = "echo"
text = "^hang$"
fault = { kind = "hang" }
"""


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    script = tmp_path_factory.mktemp("script") / "script.toml"
    script.write_text(SCRIPT)
    with Server("--script", str(script), environment={"SEDERUNT_HTTP_RATES_AT_ONCE": "1"}) as server:
        yield server


@pytest.fixture
def occupied(limited, echo):
    """A session of alice whose exchange does not end, on a connection that stays open; what closes it."""
    session = client_of(limited, limited.token("alice")).aip_agents.Agent.Session.create(echo).rid
    connection = connect(limited)
    headers = {"Authorization": f"Bearer {limited.token('alice')}", "Content-Type": "application/json"}
    path = f"/api/v2/aipAgents/agents/{echo}/sessions/{session}/streamingContinue?preview=true"
    connection.request("POST", path, '{"userInput":{"text":"hang"}}', headers)
    assert connection.getresponse().status == 200
    yield connection.close
    connection.close()


def test_one_request_too_many_is_a_429_without_a_body_that_says_how_long_to_wait(limited, echo, occupied):
    reply = request(limited, "GET", f"/agents/{echo}?preview=true")
    assert (reply.status, reply.body) == (429, b"")
    assert int(reply.headers["retry-after"]) >= 1
    assert request(limited, "GET", f"/agents/{echo}?preview=true", token="bob").status == 200


def test_a_refused_exchange_has_done_nothing_and_may_be_repeated_as_it_was(limited, echo, occupied):
    auth = UserTokenAuth(limited.token("alice"))
    once = FoundryClient(
        auth=auth, hostname=limited.host, config=config(propagate_qos="PROPAGATE_429_AND_503_TO_CALLER")
    )
    trace, message = new_id(), "hello"
    with pytest.raises(RateLimitError):
        once.aip_agents.Agent.Session.create(echo)
    occupied()
    again = until(lambda: created(once, echo), "there is room again")
    assert say(once, echo, again, message, session_trace_id=trace).session_trace_id == trace


def created(client, agent):
    try:
        return client.aip_agents.Agent.Session.create(agent).rid
    except RateLimitError:
        return None
