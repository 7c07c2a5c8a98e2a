"""Session.list and Agent.allSessions: what they hold, in which order, and how they are walked."""

from itertools import islice

import pytest
from foundry_sdk import BadRequestError
from foundry_sdk.v2.aip_agents.errors import AgentNotFound
from talk import NO_AGENT, request, say


@pytest.fixture(scope="module")
def crowd(server, alice) -> tuple[str, list[str]]:
    """An agent of its own with 105 sessions of alice, newest first."""
    rid = server.create_agent('key = "crowd"\nname = "Crowd"\n')
    sessions = alice.aip_agents.Agent.Session
    return rid, [sessions.create(rid).rid for _ in range(105)][::-1]


def test_a_walk_gives_each_session_once_newest_first(sessions, crowd):
    agent, newest_first = crowd
    for size in (None, 1, 7, 50, 100):
        assert [session.rid for session in sessions.list(agent, page_size=size)] == newest_first


def test_a_page_holds_what_was_asked_for_and_at_most_100(sessions, crowd):
    agent, newest_first = crowd
    for asked, held in [(None, 100), (1000, 100), (2147483647, 100), (7, 7), (1, 1)]:
        page = sessions.list(agent, page_size=asked)
        assert [session.rid for session in page.data] == newest_first[:held]
        assert page.next_page_token


def test_the_last_page_has_no_token_at_all(server, sessions, crowd):
    agent, newest_first = crowd
    first = request(server, "GET", f"/agents/{agent}/sessions?preview=true&pageSize=100").json
    assert set(first) == {"data", "nextPageToken"}
    path = f"/agents/{agent}/sessions?preview=true&pageSize=100&pageToken={first['nextPageToken']}"
    last = request(server, "GET", path).json
    assert set(last) == {"data"}
    assert [session["rid"] for session in last["data"]] == newest_first[100:]


def test_an_agent_without_sessions_has_an_empty_list(server, bob, crowd):
    assert list(bob.aip_agents.Agent.Session.list(crowd[0])) == []
    assert request(server, "GET", f"/agents/{crowd[0]}/sessions?preview=true", token="bob").json == {"data": []}


def test_the_most_recently_updated_session_comes_first(sessions, alice, echo):
    first, second, third = (sessions.create(echo).rid for _ in range(3))
    order = lambda: [session.rid for session in islice(sessions.list(echo), 3)]
    assert order() == [third, second, first]
    say(alice, echo, first, "up")
    assert order() == [first, third, second]
    sessions.update_title(echo, second, title="up")
    assert order() == [second, first, third]


def test_a_walk_under_updates_still_gives_each_session_once(sessions, bob, server):
    agent = server.create_agent('key = "restless"\nname = "Restless"\n')
    of = bob.aip_agents.Agent.Session
    there = [of.create(agent).rid for _ in range(12)]
    seen = []
    for number, session in enumerate(of.list(agent, page_size=3)):
        seen.append(session.rid)
        # What was seen, what is next and what is last move to the front; new ones come in.
        for moved in (there[number], there[-1 - number], there[0]):
            of.update_title(agent, moved, title=f"moved {number}")
        if number < 5:
            of.create(agent)
    assert sorted(rid for rid in seen if rid in there) == sorted(there)
    assert len(seen) == len(set(seen))


def test_all_sessions_spans_agents_and_holds_only_ones_own(server, agents, sessions, alice, bob, echo):
    support = server.agent("support")
    mine = [sessions.create(echo).rid, sessions.create(support).rid, sessions.create(echo).rid]
    theirs = bob.aip_agents.Agent.Session.create(echo).rid
    listed = [session.rid for session in islice(agents.all_sessions(page_size=2), 3)]
    assert listed == mine[::-1]
    say(alice, echo, mine[0], "up")
    assert next(iter(agents.all_sessions())).rid == mine[0]
    everything = [session.rid for session in agents.all_sessions(page_size=10)]
    assert theirs not in everything
    assert len(everything) == len(set(everything))
    assert theirs in [session.rid for session in bob.aip_agents.Agent.all_sessions()]
    assert theirs not in [session.rid for session in sessions.list(echo)]


def test_all_sessions_pages_hold_at_most_100(agents, crowd):
    assert len(agents.all_sessions(page_size=1000).data) == 100
    assert len(agents.all_sessions().data) == 100


def test_a_page_size_below_one_is_refused(sessions, agents, echo):
    for list_them in (lambda size: sessions.list(echo, page_size=size), lambda size: agents.all_sessions(page_size=size)):
        for size in (0, -1):
            with pytest.raises(BadRequestError) as refused:
                list_them(size)
            assert refused.value.name == "InvalidPageSize"
            assert refused.value.parameters == {"pageSize": size}


def test_a_token_is_good_for_its_own_list_and_user_only(server, sessions, agents, bob, crowd, echo):
    agent, _ = crowd
    sessions.create(echo)
    token = sessions.list(agent, page_size=1).next_page_token
    elsewhere = [
        lambda: sessions.list(echo, page_size=1, page_token=token),
        lambda: agents.all_sessions(page_size=1, page_token=token),
        lambda: bob.aip_agents.Agent.Session.list(agent, page_size=1, page_token=token),
        lambda: agents.AgentVersion.list(agent, page_token=token),
        lambda: sessions.list(agent, page_token=token[:-2]),
        lambda: sessions.list(agent, page_token="nonsense"),
        lambda: sessions.list(agent, page_token="v1.nonsense"),
    ]
    for list_them in elsewhere:
        with pytest.raises(BadRequestError) as refused:
            list_them()
        assert refused.value.name == "InvalidPageToken"
        assert set(refused.value.parameters) == {"pageToken"}
    assert sessions.list(agent, page_size=1, page_token=token).data


def test_the_page_size_may_change_within_a_walk(sessions, crowd):
    agent, newest_first = crowd
    first = sessions.list(agent, page_size=5)
    second = sessions.list(agent, page_size=9, page_token=first.next_page_token)
    assert [session.rid for session in first.data + second.data] == newest_first[:14]


def test_an_unknown_agent_is_not_found(sessions):
    with pytest.raises(AgentNotFound) as refused:
        sessions.list(NO_AGENT)
    assert refused.value.parameters == {"agentRid": NO_AGENT}
