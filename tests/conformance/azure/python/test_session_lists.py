"""Lists of sessions: order, cursors, limits, and that every walk ends."""

import pytest
from azure.ai.projects.models import VersionRefIndicator
from azure.core.exceptions import HttpResponseError
from azure_wire import raw, refused


@pytest.fixture(scope="module")
def crowd(new_agent, server) -> tuple[str, list[str]]:
    """An agent and the ids of its 25 sessions, oldest first."""
    agent = new_agent()
    made = [raw(server, "POST", f"/agents/{agent}/endpoint/sessions", {}) for _ in range(25)]
    return agent, [answer.json["agent_session_id"] for answer in made]


def ids(sessions) -> list[str]:
    return [session.agent_session_id for session in sessions]


def page(server, agent: str, query: str) -> dict:
    answer = raw(server, "GET", f"/agents/{agent}/endpoint/sessions?{query}")
    assert answer.status == 200, answer.body
    listed = answer.json
    names = [session["agent_session_id"] for session in listed["data"]]
    assert (listed["first_id"], listed["last_id"]) == ((names[0], names[-1]) if names else (None, None))
    return {"ids": names, "has_more": listed["has_more"]}


def test_a_walk_of_25_sessions_by_10_ends_and_meets_each_once(agents, crowd):
    agent, made = crowd
    assert ids(agents.list_sessions(agent, limit=10)) == made[::-1]
    pages = [ids(page) for page in agents.list_sessions(agent, limit=10).by_page()]
    assert [len(page) for page in pages] == [10, 10, 5, 0]


def test_the_order_is_newest_first_unless_it_is_asked_for(agents, crowd):
    agent, made = crowd
    assert ids(agents.list_sessions(agent)) == made[::-1]
    assert ids(agents.list_sessions(agent, order="desc", limit=7)) == made[::-1]
    assert ids(agents.list_sessions(agent, order="asc", limit=7)) == made


def test_before_ends_the_walk_there(agents, crowd):
    agent, made = crowd
    for order, walked in (("asc", made), ("desc", made[::-1])):
        # The first page holds the ten that are nearest to the cursor; after it nothing is left before the cursor.
        assert ids(agents.list_sessions(agent, order=order, before=walked[17], limit=10)) == walked[7:17]
        assert ids(agents.list_sessions(agent, order=order, before=walked[3], limit=10)) == walked[:3]
        assert ids(agents.list_sessions(agent, order=order, before=walked[0])) == []


def test_an_empty_list_ends(agents, agent):
    assert list(agents.list_sessions(agent, limit=1)) == []


def test_pages_tell_their_ends_and_whether_there_is_more(server, crowd):
    agent, made = crowd
    newest = made[::-1]
    assert page(server, agent, "") == {"ids": newest[:20], "has_more": True}
    assert page(server, agent, f"after={newest[19]}") == {"ids": newest[20:], "has_more": False}
    assert page(server, agent, f"after={newest[24]}") == {"ids": [], "has_more": False}
    assert page(server, agent, "limit=25") == {"ids": newest, "has_more": False}
    assert page(server, agent, f"limit=5&before={newest[10]}") == {"ids": newest[5:10], "has_more": True}
    assert page(server, agent, f"limit=5&before={newest[5]}") == {"ids": newest[:5], "has_more": False}


def test_after_and_before_together_are_an_open_window(server, crowd):
    agent, made = crowd
    window = f"order=asc&after={made[4]}&before={made[10]}"
    assert page(server, agent, window)["ids"] == made[5:10]
    assert page(server, agent, f"order=asc&after={made[9]}&before={made[10]}") == {"ids": [], "has_more": False}


def test_a_cursor_whose_session_was_deleted_still_ends_the_walk(server, agents, agent):
    made = ids(agents.create_session(agent, version_indicator=VersionRefIndicator(agent_version="1")) for _ in range(4))
    agents.delete_session(agent, made[2])
    listed = page(server, agent, f"order=asc&after={made[2]}")
    assert listed in ({"ids": [made[3]], "has_more": False}, {"ids": [], "has_more": False})


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_limit_is_from_1_to_100(agents, crowd, limit):
    with pytest.raises(HttpResponseError) as refusal:
        list(agents.list_sessions(crowd[0], limit=limit))
    error = refusal.value.model.error
    assert (refusal.value.status_code, error.param) == (400, "limit")
    assert error.message == "limit must be between 1 and 100"


@pytest.mark.parametrize(
    ("query", "param", "message"),
    [
        ("limit=ten", "limit", "limit must be between 1 and 100"),
        ("order=up", "order", "order must be 'asc' or 'desc'"),
        ("after=never-was-there", "after", None),
        ("before=never-was-there", "before", None),
    ],
)
def test_other_questions_are_refused(server, crowd, query, param, message):
    answer = raw(server, "GET", f"/agents/{crowd[0]}/endpoint/sessions?{query}")
    error = refused(answer, 400, "invalid_request_error", param)
    assert message is None or error["message"] == message
