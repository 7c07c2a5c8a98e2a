"""Secrets of sessions and agents: taken, never shown."""

import pytest
from sederunt import Server, stored
from vectara_wire import got, made, raw

HIDDEN = "s3cr3t-never-shown"


def changed(server: Server, method: str, path: str, body: object) -> dict:
    answer = raw(server, method, path, body)
    assert answer.status == 200, answer.body
    assert HIDDEN.encode() not in answer.body
    return answer.json


def test_a_session_s_secrets_are_masked_and_merged(server: Server, agent: str):
    path = f"/agents/{agent}/sessions"
    session = made(server, path, {"secrets": {"api": HIDDEN, "other": HIDDEN}})
    assert session["secrets"] == {"api": "****", "other": "****"}
    one = f"{path}/{session['key']}"
    assert changed(server, "PATCH", one, {"secrets": {"api": None, "new-1": HIDDEN}})["secrets"] == {
        "other": "****",
        "new-1": "****",
    }
    assert sorted(got(server, one)["secrets"]) == ["new-1", "other"]
    assert HIDDEN.encode() not in raw(server, "GET", path).body


def test_an_agent_s_secrets_are_replaced_or_merged(server: Server, agent: str):
    path = f"/agents/{agent}/secrets"
    assert got(server, path) == {"secrets": {}}
    both = {"a": "****", "b": "****"}
    assert changed(server, "PUT", path, {"secrets": {"a": HIDDEN, "b": HIDDEN}})["secrets"] == both
    assert sorted(changed(server, "PATCH", path, {"secrets": {"a": None, "c": HIDDEN}})["secrets"]) == ["b", "c"]
    assert changed(server, "PUT", path, {"secrets": {"d": HIDDEN}})["secrets"] == {"d": "****"}
    assert HIDDEN.encode() not in raw(server, "GET", f"/agents/{agent}").body


@pytest.mark.parametrize("secrets", [{"not a name": "x"}, {"a": ""}, {"a": "x" * 4097}, {"a": 7}, ["a"]])
def test_secrets_have_names_and_lengths(server: Server, agent: str, secrets: object):
    assert raw(server, "POST", f"/agents/{agent}/sessions", {"secrets": secrets}).status == 400


def test_secrets_are_not_on_the_disk(agent: str, tmp_path):
    with Server("--data", str(tmp_path)) as server:
        made(server, "/agents/echo/sessions", {"secrets": {"api": HIDDEN}})
    data = stored(tmp_path)
    assert HIDDEN.encode() not in data
    assert b"echo" in data
