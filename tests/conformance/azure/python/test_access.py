"""Who sees what: users, delegation by headers, and what is shared."""

import pytest
from azure_wire import raw, refused

ALICE = {"x-ms-user-identity": "user-a"}
BOB = {"x-ms-user-identity": "user-b"}
KEYS = ["x-ms-user-identity", "x-ms-user-isolation-key", "x-session-isolation-key"]


@pytest.fixture
def base(agent) -> str:
    return f"/agents/{agent}/endpoint/protocols/openai"


def say(server, base: str, headers: dict, **body):
    return raw(server, "POST", f"{base}/responses", {"input": "three words"} | body, headers=headers)


@pytest.mark.parametrize("key", KEYS)
def test_two_keys_do_not_see_each_others_sessions(server, agent, key):
    sessions = f"/agents/{agent}/endpoint/sessions"
    made = {}
    for user in ("user-a", "user-b"):
        made[user] = raw(server, "POST", sessions, {}, headers={key: user}).json["agent_session_id"]
    for user, other in (("user-a", "user-b"), ("user-b", "user-a")):
        headers = {key: user}
        listed = raw(server, "GET", sessions, headers=headers).json["data"]
        assert [session["agent_session_id"] for session in listed] == [made[user]]
        assert raw(server, "GET", f"{sessions}/{made[user]}", headers=headers).status == 200
        foreign = f"{sessions}/{made[other]}"
        refused(raw(server, "GET", foreign, headers=headers), 404, "not_found")
        refused(raw(server, "POST", f"{foreign}:stop", headers=headers), 404, "not_found")
        refused(raw(server, "GET", f"{foreign}/files", headers=headers), 404, "not_found")
        assert raw(server, "DELETE", foreign, headers=headers).status in (204, 404)
    # Without a key the one developer sees all.
    listed = raw(server, "GET", sessions).json["data"]
    assert {session["agent_session_id"] for session in listed} == set(made.values())


def test_one_user_under_three_names_of_the_header_is_one_user(server, agent):
    sessions = f"/agents/{agent}/endpoint/sessions"
    made = raw(server, "POST", sessions, {}, headers={KEYS[0]: "user-a"}).json["agent_session_id"]
    for key in KEYS:
        assert raw(server, "GET", f"{sessions}/{made}", headers={key: "user-a"}).status == 200
    both = {KEYS[0]: "user-b", KEYS[1]: "user-a"}
    refused(raw(server, "GET", f"{sessions}/{made}", headers=both), 404, "not_found")


def test_the_id_of_another_users_session_is_taken(server, agent, session):
    again = raw(server, "POST", f"/agents/{agent}/endpoint/sessions", {"agent_session_id": session}, headers=BOB)
    refused(again, 409, "session_already_exists", "agent_session_id")


def test_another_users_response_is_not_found(server, base):
    made = say(server, base, ALICE).json["id"]
    assert raw(server, "GET", f"{base}/responses/{made}", headers=ALICE).status == 200
    assert raw(server, "GET", f"{base}/responses/{made}", headers=BOB).status == 404
    assert say(server, base, BOB, previous_response_id=made).status == 404
    assert raw(server, "GET", f"{base}/responses/{made}/input_items", headers=BOB).status == 404
    assert raw(server, "DELETE", f"{base}/responses/{made}", headers=BOB).status == 404
    assert say(server, base, ALICE, previous_response_id=made).status == 200


def test_another_users_conversation_is_not_found(server, base):
    made = raw(server, "POST", f"{base}/conversations", {}, headers=ALICE).json["id"]
    assert raw(server, "GET", f"{base}/conversations/{made}", headers=ALICE).status == 200
    assert raw(server, "GET", f"{base}/conversations/{made}", headers=BOB).status == 404
    assert say(server, base, BOB, conversation=made).status == 404
    listed = raw(server, "GET", f"{base}/conversations", headers=BOB).json["data"]
    assert made not in [conversation["id"] for conversation in listed]


def test_two_users_may_share_a_session_that_both_name(server, base):
    first = say(server, base, ALICE, agent_session_id="shared-session")
    second = say(server, base, BOB, agent_session_id="shared-session")
    assert (first.status, second.status) == (200, 200)
    assert first.json["agent_session_id"] == second.json["agent_session_id"] == "shared-session"
    refused_to_bob = raw(server, "GET", f"{base}/responses/{first.json['id']}", headers=BOB)
    assert refused_to_bob.status == 404


def test_sessions_that_are_made_for_two_users_are_two(server, base):
    made = {say(server, base, headers).json["agent_session_id"] for headers in (ALICE, BOB)}
    assert len(made) == 2


def test_without_a_user_a_caller_uses_what_is_any_of_theirs(server, base):
    made = say(server, base, ALICE).json
    for body in ({"agent_session_id": made["agent_session_id"]}, {"previous_response_id": made["id"]}):
        assert say(server, base, {}, **body).status == 200
    assert raw(server, "GET", f"{base}/responses/{made['id']}").status == 200


def test_two_callers_do_not_see_each_others_responses(alice, bob, at_agent, server, base):
    made = at_agent.responses.create(input="three words").id
    for path in (f"{base}/responses/{made}", f"/openai/v1/responses/{made}"):
        assert raw(server, "GET", path, token="bob").status == 404
    answer = raw(server, "POST", f"{base}/responses", {"input": "x", "previous_response_id": made}, token="bob")
    assert answer.status == 404
