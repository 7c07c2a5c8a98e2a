"""The authorization code flow with PKCE: `PublicClientAuth`, refresh, and whose sessions its tokens see."""

import base64
import hashlib
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from foundry_sdk import FoundryClient, NotAuthenticated, PublicClientAuth, UnauthorizedError
from talk import client_of, config, exchanges, request, say

TOKEN = "//multipass/api/oauth2/token"
AUTHORIZE = "//multipass/api/oauth2/authorize"
REVOKE = "//multipass/api/oauth2/revoke_token"
SCOPES = ["api:aip-agents-read", "api:aip-agents-write"]


def visit(server, url: str):
    """Opens the address of a sign-in as a browser would; the query with which it is sent back."""
    address = urlsplit(url)
    reply = request(server, "GET", f"/{address.path}?{address.query}", token=None)
    assert reply.status in (302, 303), (reply.status, reply.body)
    where = urlsplit(reply.headers["location"])
    return where._replace(query="").geturl(), {name: value[0] for name, value in parse_qs(where.query).items()}


@pytest.fixture
def signed_in(server, public):
    identity, redirect = public
    auth = PublicClientAuth(client_id=identity, redirect_url=redirect, scopes=SCOPES, should_refresh=False)
    client = FoundryClient(auth=auth, hostname=server.host, config=config())
    # The client tells `auth` where the server is when it is first asked for a resource.
    assert client.aip_agents.Agent
    where, query = visit(server, auth.sign_in())
    assert where == redirect
    assert set(query) == {"code", "state"}
    auth.set_token(query["code"], query["state"])
    return client, auth


def test_before_signing_in_nothing_is_sent(server, public, echo):
    auth = PublicClientAuth(client_id=public[0], redirect_url=public[1], scopes=SCOPES)
    with pytest.raises(NotAuthenticated):
        FoundryClient(auth=auth, hostname=server.host, config=config()).aip_agents.Agent.get(echo)


def test_a_user_signs_in_through_an_application_and_talks(signed_in, echo):
    client, _ = signed_in
    session = client.aip_agents.Agent.Session.create(echo).rid
    assert say(client, echo, session, "hello").agent_markdown_response == "hello"


def test_lists_show_only_what_the_same_client_made_but_the_user_may_read_it(signed_in, alice, sessions, echo):
    client, _ = signed_in
    through_app = client.aip_agents.Agent.Session.create(echo).rid
    by_hand = sessions.create(echo).rid
    say(client, echo, through_app, "hello")
    listed = lambda of: [session.rid for session in of.aip_agents.Agent.all_sessions()]
    assert through_app in listed(client) and by_hand not in listed(client)
    assert by_hand in listed(alice) and through_app not in listed(alice)
    of_agent = [session.rid for session in sessions.list(echo)]
    assert by_hand in of_agent and through_app not in of_agent
    # The same person, another client: reading and going on is allowed.
    assert exchanges(alice, echo, through_app) == [("hello", "hello")]
    say(alice, echo, through_app, "again")
    assert client.aip_agents.Agent.Session.get(echo, through_app).metadata.message_count == 4


def test_a_refresh_token_gives_a_new_pair(server, public, signed_in, echo, post_form):
    _, auth = signed_in
    first = auth.get_token()
    assert first.refresh_token
    assert auth._try_refresh_token()
    second = auth.get_token()
    assert second.access_token != first.access_token
    assert client_of(server, second.access_token).aip_agents.Agent.get(echo).rid == echo


def test_after_sign_out_the_token_is_worth_nothing(server, signed_in, echo):
    _, auth = signed_in
    token = auth.get_token().access_token
    auth.sign_out()
    with pytest.raises(UnauthorizedError):
        client_of(server, token).aip_agents.Agent.get(echo)


class Flow:
    """The flow by hand, to do each step wrongly."""

    def __init__(self, server, public, post_form):
        self.server, self.post_form = server, post_form
        self.identity, self.redirect = public
        self.verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(self.verifier.encode()).digest()
        self.challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def authorize(self, **changes):
        query = {
            "response_type": "code",
            "client_id": self.identity,
            "redirect_uri": self.redirect,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "state": "a state",
            "scope": " ".join([*SCOPES, "offline_access"]),
        } | changes
        query = {name: value for name, value in query.items() if value is not None}
        return request(self.server, "GET", f"{AUTHORIZE}?{urlencode(query)}", token=None)

    def redeem(self, code, **changes):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "client_id": self.identity,
            "code_verifier": self.verifier,
        } | changes
        return self.post_form(TOKEN, form)


@pytest.fixture
def flow(server, public, post_form):
    return Flow(server, public, post_form)


def query_of(reply) -> dict[str, str]:
    assert reply.status in (302, 303), (reply.status, reply.body)
    return {name: value[0] for name, value in parse_qs(urlsplit(reply.headers["location"]).query).items()}


def refused_grant(reply) -> bool:
    return reply.status == 400 and reply.json["error"] == "invalid_grant"


def test_a_code_is_redeemed_once(flow):
    code = query_of(flow.authorize())["code"]
    assert flow.redeem(code).status == 200
    assert refused_grant(flow.redeem(code))


def test_a_code_needs_its_own_verifier_client_and_address(flow, application):
    identity, secret = application
    for change in (
        {"code_verifier": "x" * 43},
        {"redirect_uri": flow.redirect + "x"},
        {"client_id": identity, "client_secret": secret},
    ):
        code = query_of(flow.authorize())["code"]
        assert refused_grant(flow.redeem(code, **change))
    assert refused_grant(flow.redeem("nonsense"))


def test_a_sign_in_without_pkce_is_refused(flow):
    for change in ({"code_challenge": None}, {"code_challenge_method": "plain"}):
        query = query_of(flow.authorize(**change))
        assert (query["error"], query["state"]) == ("invalid_request", "a state")
        assert "code" not in query


def test_errors_go_back_with_the_state_if_the_address_is_known(flow):
    for change, error in [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "Not-a-Scope"}, "invalid_scope"),
    ]:
        query = query_of(flow.authorize(**change))
        assert (query["error"], query["state"]) == (error, "a state")


def test_nobody_is_sent_to_an_unknown_address(flow):
    for change in ({"redirect_uri": "http://elsewhere.example/callback"}, {"client_id": "nobody"}):
        reply = flow.authorize(**change)
        assert reply.status in (400, 401)
        assert reply.headers["location"] is None


def test_a_refresh_token_comes_with_offline_access_only(flow):
    granted = flow.redeem(query_of(flow.authorize())["code"]).json
    assert granted["refresh_token"] and "id_token" not in granted
    without = flow.redeem(query_of(flow.authorize(scope=" ".join(SCOPES)))["code"]).json
    assert "refresh_token" not in without


def test_a_refresh_token_is_used_once_and_revoked_with_its_sign_in(server, flow, echo):
    granted = flow.redeem(query_of(flow.authorize())["code"]).json
    form = {"grant_type": "refresh_token", "client_id": flow.identity, "refresh_token": granted["refresh_token"]}
    renewed = flow.post_form(TOKEN, form)
    assert renewed.status == 200
    assert refused_grant(flow.post_form(TOKEN, form))
    token = flow.redeem(query_of(flow.authorize())["code"]).json
    assert flow.post_form(REVOKE, {"token": token["access_token"], "client_id": flow.identity}).status == 200
    with pytest.raises(UnauthorizedError):
        client_of(server, token["access_token"]).aip_agents.Agent.get(echo)
