"""foundry-platform-sdk 1.30.0 on a server that limits its callers: it has no retries, and reads no empty 429."""

import pytest
from foundry_sdk import RateLimitError, SDKInternalError
from sederunt import Server
from talk import client_of


def refusal(environment: dict[str, str], expected: type[Exception]) -> Exception:
    """What the SDK makes of one request too many."""
    with Server(environment={"SEDERUNT_HTTP_RATES_PER_MINUTE": "1"} | environment) as server:
        agents = client_of(server, server.token("alice")).aip_agents.Agent
        echo = server.agent("echo")
        assert agents.get(echo).rid == echo
        with pytest.raises(expected) as refused:
            agents.get(echo)
        return refused.value


def test_an_empty_429_is_opaque_to_it():
    refusal({}, SDKInternalError)


def test_a_429_with_a_body_is_readable():
    refused = refusal({"SEDERUNT_PALANTIR_JSON_ON_429": "true"}, RateLimitError)
    assert refused.name == "Default:TooManyRequests"
