"""Clients as the SDK's own factory makes them."""

from sederunt import Server
from vectara.factory import Factory


def test_the_factory_makes_a_client_of_this_server(server: Server, agent: str):
    config = {
        "customer_id": "1",
        "api_endpoint": server.url,
        "auth_endpoint": server.url,
        "auth": {"api_key": server.token("alice")},
    }
    assert Factory(config=config).build().agents.get(agent).key == agent
