"""How the SDK reaches the server: without any change over TLS, and by the recipes for plain HTTP."""

import pytest
from azure.ai.projects import AIProjectClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.policies import AzureKeyCredentialPolicy
from azure_wire import PROJECT
from project import Token, client, openai
from sederunt import SCHEME

plain_only = pytest.mark.skipif(SCHEME != "http", reason="about plain HTTP")
tls_only = pytest.mark.skipif(SCHEME != "https", reason="about TLS")


@tls_only
def test_over_tls_only_the_root_must_be_trusted(server):
    made = AIProjectClient(
        endpoint=server.url + PROJECT, credential=Token(server.token("alice")), connection_verify=server.ready["ca"]
    )
    with made, made.get_openai_client(agent_name="echo") as talk:
        assert made.agents.get("echo").name == "echo"
        assert talk.responses.create(input="three words").output_text == "one two three"


@tls_only
def test_over_tls_the_root_is_needed(server):
    made = AIProjectClient(endpoint=server.url + PROJECT, credential=Token(server.token("alice")), retry_total=0)
    with made, pytest.raises(ServiceRequestError):
        made.agents.get("echo", connection_verify=True)


@plain_only
def test_over_plain_http_the_sdk_keeps_its_token_to_itself(server):
    made = AIProjectClient(endpoint=server.url + PROJECT, credential=Token(server.token("alice")), retry_total=0)
    with made, pytest.raises(ServiceRequestError, match="not permitted for non-TLS"):
        made.agents.get("echo")


@plain_only
def test_over_plain_http_a_word_with_each_call_is_enough(server):
    made = AIProjectClient(endpoint=server.url + PROJECT, credential=Token(server.token("alice")), retry_total=0)
    with made:
        assert made.agents.get("echo", enforce_https=False).name == "echo"
        assert "echo" in [agent.name for agent in made.agents.list(limit=100, enforce_https=False)]


@plain_only
def test_over_plain_http_a_key_credential_serves(server):
    policy = AzureKeyCredentialPolicy(AzureKeyCredential(server.token("alice")), "api-key")
    made = AIProjectClient(endpoint=server.url + PROJECT, credential=Token("unused"), authentication_policy=policy)
    with made:
        assert made.agents.get("echo").name == "echo"


def test_a_slash_at_the_end_and_any_project_do_no_harm(server, runner):
    with client(server, runner=runner, endpoint=f"{server.url}{PROJECT}/") as made:
        assert made.agents.get("echo").name == "echo"
    with client(server, runner=runner, endpoint=f"{server.url}/api/projects/another") as made:
        assert made.agents.create_version("mine", {"definition": {"kind": "prompt", "model": "m"}}).version == "1"
        assert [agent.name for agent in made.agents.list() if agent.name == "mine"] == ["mine"]


def test_a_key_may_take_the_place_of_the_credential(alice, server):
    with openai(alice, "echo", api_key=server.token("alice")) as talk:
        assert talk.responses.create(input="three words").output_text == "one two three"
