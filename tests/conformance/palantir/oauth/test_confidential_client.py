"""Client credentials: `ConfidentialClientAuth`, both styles of client authentication, scopes, sign-out."""

import warnings

import pytest
from foundry_sdk import (
    AsyncFoundryClient,
    ConfidentialClientAuth,
    FoundryClient,
    PermissionDeniedError,
    SDKInternalError,
    UnauthorizedError,
)
from foundry_sdk.v2.aip_agents.errors import GetAllSessionsAgentsPermissionDenied
from talk import client_of, config, request, say

TOKEN = "//multipass/api/oauth2/token"
REVOKE = "//multipass/api/oauth2/revoke_token"
READ, WRITE = "api:aip-agents-read", "api:aip-agents-write"
CREDENTIALS = {"grant_type": "client_credentials"}


def confidential(server, application, scopes=None):
    identity, secret = application
    auth = ConfidentialClientAuth(client_id=identity, client_secret=secret, scopes=scopes, should_refresh=False)
    return FoundryClient(auth=auth, hostname=server.host, config=config()), auth


def test_an_application_talks_to_agents_as_itself(server, application, echo, alice):
    client, auth = confidential(server, application)
    session = client.aip_agents.Agent.Session.create(echo).rid
    assert say(client, echo, session, "hello").agent_markdown_response == "hello"
    assert [listed.rid for listed in client.aip_agents.Agent.Session.list(echo)] == [session]
    assert [listed.rid for listed in client.aip_agents.Agent.all_sessions()] == [session]
    # It is a user of its own.
    assert session not in [listed.rid for listed in alice.aip_agents.Agent.Session.list(echo)]
    client.aip_agents.Agent.Session.delete(echo, session)
    auth.sign_out()


def test_after_sign_out_the_token_is_worth_nothing(server, application, echo):
    client, auth = confidential(server, application)
    client.aip_agents.Agent.get(echo)
    token = auth.get_token().access_token
    assert client_of(server, token).aip_agents.Agent.get(echo).rid == echo
    auth.sign_out()
    with pytest.raises(UnauthorizedError) as refused:
        client_of(server, token).aip_agents.Agent.get(echo)
    assert refused.value.name == "Default:Unauthorized"
    # The next call signs in again.
    assert client.aip_agents.Agent.get(echo).rid == echo


def test_tokens_are_refreshed_in_the_background_without_complaint(server, application, echo):
    identity, secret = application
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        auth = ConfidentialClientAuth(client_id=identity, client_secret=secret)
        client = FoundryClient(auth=auth, hostname=server.host, config=config())
        assert client.aip_agents.Agent.get(echo).rid == echo
        auth.sign_out()


def test_a_token_lives_for_an_hour_whatever_the_clock_is_moved_to(server, application, echo):
    client, auth = confidential(server, application)
    client.aip_agents.Agent.get(echo)
    assert auth.get_token().expires_in == 3600
    server.advance("2h")
    assert client.aip_agents.Agent.get(echo).rid == echo


def test_a_wrong_secret_or_client_is_refused(server, application, echo):
    for pair in [(application[0], "wrong"), ("nobody", application[1])]:
        client, _ = confidential(server, pair)
        with pytest.raises(SDKInternalError):
            client.aip_agents.Agent.get(echo)


@pytest.mark.parametrize("style", ["form", "basic"])
def test_a_client_may_show_its_secret_in_the_form_or_by_basic(post_form, application, style):
    identity, secret = application
    form = CREDENTIALS | ({"client_id": identity, "client_secret": secret} if style == "form" else {})
    reply = post_form(TOKEN, form, application if style == "basic" else None)
    assert reply.status == 200
    assert reply.headers["content-type"].split(";")[0] == "application/json"
    answer = reply.json
    assert answer["token_type"].lower() == "bearer"
    assert answer["expires_in"] > 60 and answer["access_token"]
    # Without a scope, all that the client has; a refresh token never comes with this grant.
    assert {READ, WRITE} <= set(answer["scope"].split())
    assert not {"refresh_token", "id_token"} & set(answer)


def test_a_scope_narrows_and_offline_access_brings_no_refresh_token(post_form, application):
    reply = post_form(TOKEN, CREDENTIALS | {"scope": f"{READ} offline_access"}, application)
    assert reply.status == 200
    assert WRITE not in reply.json["scope"].split()
    assert "refresh_token" not in reply.json


def test_a_form_with_a_charset_is_read(server, application):
    identity, secret = application
    body = f"grant_type=client_credentials&client_id={identity}&client_secret={secret}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
    assert request(server, "POST", TOKEN, body, token=None, headers=headers).status == 200


@pytest.mark.parametrize(
    ("form", "basic", "statuses", "error"),
    [
        (CREDENTIALS, ("nobody", "x"), {400, 401}, "invalid_client"),
        (CREDENTIALS, "wrong secret", {400, 401}, "invalid_client"),
        ({}, "right", {400}, "invalid_request"),
        ({"grant_type": "password"}, "right", {400}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, "right", {400}, ("invalid_grant", "invalid_request")),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "right", {400}, "invalid_grant"),
        (CREDENTIALS | {"scope": "Not-a-Scope"}, "right", {400}, "invalid_scope"),
    ],
)
def test_what_is_wrong_with_a_token_request_is_said_in_the_standards_words(
    post_form, application, form, basic, statuses, error
):
    pairs = {"right": application, "wrong secret": (application[0], "wrong")}
    reply = post_form(TOKEN, form, pairs.get(basic, basic) if basic else None)
    assert reply.status in statuses, reply.body
    assert reply.json["error"] in ((error,) if isinstance(error, str) else error)
    assert isinstance(reply.json["error_description"], str)


def test_revoking_answers_200_and_nothing_more_known_or_not(post_form, application, token_with):
    identity, secret = application
    for token in (token_with(READ), "unknown"):
        for form, basic in [
            ({"client_id": identity, "client_secret": secret, "token": token}, None),
            ({"token": token}, application),
        ]:
            reply = post_form(REVOKE, form, basic)
            assert (reply.status, reply.body) == (200, b"")


def test_a_token_is_revoked_by_its_own_client_only(server, post_form, application, token_with, echo):
    token = token_with(READ)
    reply = post_form(REVOKE, {"token": token}, ("nobody", "x"))
    assert reply.status in (400, 401) and reply.json["error"] == "invalid_client"
    assert client_of(server, token).aip_agents.Agent.get(echo).rid == echo


WRITES = [
    ("POST", "", {}),
    ("POST", "/{s}/blockingContinue", {"userInput": {"text": "x"}}),
    ("POST", "/{s}/streamingContinue", {"userInput": {"text": "x"}}),
    ("POST", "/{s}/cancel", {"messageId": "c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00"}),
    ("PUT", "/{s}/ragContext", {"userInput": {"text": "x"}}),
    ("PUT", "/{s}/updateTitle", {"title": "x"}),
    ("DELETE", "/{s}", None),
]
READS = ["/{a}", "/{a}/agentVersions", "/{a}/agentVersions/1.0", "/{a}/sessions", "/{a}/sessions/{s}"]
READS += ["/{a}/sessions/{s}/content", "/{a}/sessions/{s}/sessionTraces/c2b5a3f0-1d2e-4f30-8a41-5b6c7d8e9f00"]


def test_a_token_without_an_operations_scope_is_told_which_it_lacks(server, token_with, echo):
    read, write = token_with(READ), token_with(WRITE)
    session = request(
        server, "POST", f"/agents/{echo}/sessions?preview=true", {}, headers={"Authorization": f"Bearer {write}"}
    ).json["rid"]
    for method, path, body in WRITES:
        path = f"/agents/{echo}/sessions{path.format(s=session)}?preview=true"
        reply = request(server, method, path, body, headers={"Authorization": f"Bearer {read}"})
        assert reply.error(403, "PERMISSION_DENIED", "ApiUsageDenied") == {"missingScope": WRITE}
    for path in READS:
        path = f"/agents{path.format(a=echo, s=session)}?preview=true"
        reply = request(server, "GET", path, headers={"Authorization": f"Bearer {write}"})
        assert reply.error(403, "PERMISSION_DENIED", "ApiUsageDenied") == {"missingScope": READ}


def test_a_missing_scope_comes_before_preview_and_after_the_credential(server, token_with, echo):
    headers = {"Authorization": f"Bearer {token_with(READ)}"}
    reply = request(server, "POST", f"/agents/{echo}/sessions", {}, headers=headers)
    reply.error(403, "PERMISSION_DENIED", "ApiUsageDenied")


def test_the_sdk_shows_what_a_narrow_token_may_not_do(server, token_with, echo):
    narrow = client_of(server, token_with(READ)).aip_agents.Agent
    assert list(narrow.Session.list(echo)) is not None
    with pytest.raises(PermissionDeniedError) as refused:
        narrow.Session.create(echo)
    assert (refused.value.name, refused.value.parameters) == ("ApiUsageDenied", {"missingScope": WRITE})
    with pytest.raises(GetAllSessionsAgentsPermissionDenied) as refused:
        narrow.all_sessions()
    assert refused.value.parameters == {}


def test_the_asynchronous_client_signs_in_too(server, application, echo):
    import asyncio

    async def journey():
        identity, secret = application
        auth = ConfidentialClientAuth(client_id=identity, client_secret=secret, should_refresh=False)
        client = AsyncFoundryClient(auth=auth, hostname=server.host, config=config(), preview=True)
        assert (await client.aip_agents.Agent.get(echo)).rid == echo

    asyncio.run(journey())
